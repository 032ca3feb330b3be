const root = document.documentElement;
const get = (id) => document.getElementById(id);
const data = JSON.parse(get("data").textContent);
const THEMES = ["auto", "light", "dark"];
const SPEEDS = [...get("speed").options].map((o) => o.value);
let theme = "auto";
let episode, scene, charts, time = 0, playing = false, before = 0, waiting = false;

// Storage is forbidden on some pages that are opened from a file.
const remembered = () => { try { return localStorage.getItem("plumbrl-theme"); } catch { return null; } };
const remember = () => { try { localStorage.setItem("plumbrl-theme", theme); } catch { /* for this page */ } };
const dress = () => {
  if (theme === "auto") delete root.dataset.theme; else root.dataset.theme = theme;
  get("theme").textContent = `Theme: ${theme}`;
};

const rgb = (name) => {
  const hex = getComputedStyle(root).getPropertyValue(name).trim().slice(1);
  return [0, 2, 4].map((i) => parseInt(hex.slice(i, i + 2), 16) / 255);
};
const colours = () => ({ haze: rgb("--sky"), groundA: rgb("--ground-a"), groundB: rgb("--ground-b") });

const lasts = () => episode.steps * episode.seconds;
const stepAt = (t) => Math.min(Math.max(Math.floor(t / episode.seconds + 1e-6), 0), episode.steps - 1);

const showPicture = () => {
  const { at, sources } = episode.pictures;
  const now = Math.min(Math.floor(time / episode.seconds + 1e-6), episode.steps);
  const row = Math.max(at.findLastIndex((s) => s <= now), 0);
  if (get("picture").dataset.row !== String(row)) {
    get("picture").src = sources[row];
    get("picture").dataset.row = row;
  }
  return true;
};

const show = () => {
  waiting = false;
  const step = stepAt(time), share = lasts() ? time / lasts() : 0;
  get("scrub").value = time;
  get("scrub").setAttribute("aria-valuetext", `${time.toFixed(2)} seconds`);
  get("clock").textContent = `${time.toFixed(2)} / ${lasts().toFixed(2)} s`;
  get("now").textContent = `step ${step + 1} of ${episode.steps} · return so far ${number(episode.sums[step])}`;
  for (const chart of charts) chart.show(share, Math.floor(step / episode.stride));
  const drawn = scene ? scene.draw(time, colours()) : episode.pictures ? showPicture() : false;
  root.dataset.drawn = drawn;
  root.dataset.time = time.toFixed(3);
};
const redraw = () => { if (!waiting) { waiting = true; requestAnimationFrame(show); } };

const tick = (now) => {
  if (!playing) return;
  // A tab that slept must not jump ahead.
  time += Math.min((now - before) / 1000, 0.1) * Number(get("speed").value);
  before = now;
  if (time >= lasts()) { time = lasts(); play(false); }
  show();
  if (playing) requestAnimationFrame(tick);
};
const play = (on) => {
  playing = on;
  get("play").textContent = on ? "Pause" : "Play";
  if (!on) return;
  if (time >= lasts()) time = 0;
  before = performance.now();
  requestAnimationFrame(tick);
};
const seek = (t) => { time = Math.min(Math.max(t, 0), lasts()); redraw(); };
const nudge = (steps) => { play(false); seek((Math.round(time / episode.seconds) + steps) * episode.seconds); };
const faster = (by) => {
  const at = SPEEDS.indexOf(get("speed").value) + by;
  if (SPEEDS[at]) get("speed").value = SPEEDS[at];
};
const follow = (on) => {
  if (scene) scene.camera.follow = on;
  get("follow").setAttribute("aria-pressed", on);
  redraw();
};
const goHome = () => { if (scene) { scene.reset(); follow(scene.camera.follow); } };

const tellEnd = () => {
  const { cause, terminated, truncated, total, steps, seed, env, policy, notes } = episode;
  const end = get("end");
  end.className = terminated ? "end bad" : "end";
  const lead = element("p", { class: "lead" });
  const how = terminated ? "Terminated" : truncated ? "Cut off" : "Left";
  lead.append(`${how} after ${lasts().toFixed(2)} s: `, element("b", {}, cause));
  const facts = `return ${number(total)} · ${steps} steps · seed ${seed} · ${env} · ${policy}`;
  end.replaceChildren(lead, element("p", { class: "facts" }, facts), ...notes.map((n) => element("p", { class: "note" }, n)));
};

const canvasOf = () => {
  // A canvas keeps its context, so every episode gets a new one.
  const fresh = get("scene").cloneNode();
  get("scene").replaceWith(fresh);
  return fresh;
};
const stage = () => {
  scene?.free()?.loseContext();
  scene = null;
  let said = "";
  const canvas = canvasOf();
  if (episode.scene) {
    canvas.hidden = false;
    try { scene = makeScene(canvas, episode.scene, episode.seconds); } catch (error) { said = String(error.message ?? error); }
    if (!scene) said = `This browser cannot draw the scene: it has no WebGL 2. The numbers are beside it. ${said}`;
    else orbit(canvas);
  } else if (!episode.pictures) said = "Of this episode there is nothing to see; the numbers are beside it.";
  canvas.hidden = !scene;
  get("picture").hidden = !episode.pictures;
  delete get("picture").dataset.row;
  get("blank").hidden = !said;
  get("blank").textContent = said;
  for (const id of ["tools", "hint"]) get(id).hidden = !scene;
  if (scene) get("follow").hidden = episode.scene.followed < 0;
};

const orbit = (canvas) => {
  const { camera } = scene;
  const fingers = new Map();
  const move = (dx, dy, along) => {
    if (along) {
      const away = 0.0016 * camera.distance, [s, c] = [Math.sin(camera.yaw), Math.cos(camera.yaw)];
      camera.target = add(camera.target, [away * (dx * s + dy * c * -1), away * (-dx * c + dy * s * -1), 0]);
      if (camera.follow) follow(false);
    } else {
      camera.yaw -= 0.008 * dx;
      camera.pitch = Math.min(Math.max(camera.pitch + 0.008 * dy, 0.02), PITCH_MOST);
    }
    redraw();
  };
  const nearer = (factor) => {
    camera.distance = Math.min(Math.max(camera.distance * factor, 0.6 * scene.size), 40 * scene.size);
    redraw();
  };
  const gap = () => { const [a, b] = [...fingers.values()]; return Math.hypot(a.x - b.x, a.y - b.y); };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
  });
  canvas.addEventListener("pointermove", (event) => {
    const last = fingers.get(event.pointerId);
    if (!last) return;
    const apart = fingers.size === 2 ? gap() : 0;
    fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    if (apart) nearer(apart / gap());
    else move(event.clientX - last.x, event.clientY - last.y, event.shiftKey || event.buttons & 2);
  });
  for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, (event) => fingers.delete(event.pointerId));
  canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  canvas.addEventListener("wheel", (event) => { event.preventDefault(); nearer(Math.exp(0.001 * event.deltaY)); }, { passive: false });
};

const open = (index) => {
  play(false);
  episode = data.episodes[index];
  if (!episode.sums) {
    let sum = 0;
    episode.sums = floats(episode.panels[0].lines[0].data).map((r) => (sum += r * 1));
    episode.sums = Float64Array.from({ length: episode.steps }, (_, i) => episode.sums[Math.min(Math.floor(i / episode.stride), episode.sums.length - 1)]);
  }
  get("episode").value = index;
  get("scrub").max = lasts();
  stage();
  tellEnd();
  charts = episode.panels.map((panel) => makeChart(panel, (share) => { play(false); seek(share * lasts()); }));
  get("charts").replaceChildren(...charts.map((chart) => chart.figure));
  if (scene) follow(scene.camera.follow);
  seek(0);
};

const keys = (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.tagName === "SELECT") return;
  const far = Math.max(1, Math.round(0.1 / episode.seconds));
  const does = {
    " ": () => play(!playing), ArrowLeft: () => nudge(event.shiftKey ? -far : -1), ArrowRight: () => nudge(event.shiftKey ? far : 1),
    Home: () => seek(0), End: () => seek(lasts()), "[": () => faster(-1), "]": () => faster(1),
    f: () => get("follow").click(), r: goHome,
  }[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!does || (event.key === " " && event.target.tagName === "BUTTON")) return;
  event.preventDefault();
  does();
};

// An address may name a moment: #episode=2&t=3.2
const fromAddress = () => {
  const asked = new URLSearchParams(location.hash.slice(1));
  const index = Math.min(Math.max(Number(asked.get("episode") ?? 1) - 1, 0), data.episodes.length - 1) || 0;
  if (data.episodes[index] !== episode) open(index);
  if (asked.has("t")) { play(false); seek(Number(asked.get("t")) || 0); }
};

theme = THEMES.includes(remembered()) ? remembered() : "auto";
dress();
get("theme").addEventListener("click", () => { theme = THEMES[(THEMES.indexOf(theme) + 1) % 3]; remember(); dress(); redraw(); });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
data.episodes.forEach((e, i) => get("episode").append(new Option(`seed ${e.seed}: return ${number(e.total)}, ${e.cause}`, i)));
get("choice").hidden = data.episodes.length < 2;
get("episode").addEventListener("change", () => open(Number(get("episode").value)));
get("play").addEventListener("click", () => play(!playing));
get("back").addEventListener("click", () => nudge(-1));
get("forth").addEventListener("click", () => nudge(1));
get("scrub").addEventListener("input", () => { play(false); seek(Number(get("scrub").value)); });
get("follow").addEventListener("click", () => follow(get("follow").getAttribute("aria-pressed") !== "true"));
get("home").addEventListener("click", goHome);
window.addEventListener("keydown", keys);
window.addEventListener("resize", redraw);
window.addEventListener("hashchange", fromAddress);
fromAddress();
