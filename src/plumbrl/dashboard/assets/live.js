"use strict";
(() => {
  const EVERY = 2000, SLOWEST = 15000;
  const main = document.getElementById("main");
  const trouble = document.getElementById("trouble");
  let etag = main.dataset.etag, wait = EVERY, busy = false;

  const ago = (seconds) => {
    const units = [[86400 * 2, 86400, "days"], [7200, 3600, "hours"], [120, 60, "minutes"]];
    for (const [from, size, name] of units) {
      if (seconds >= from) return `${Math.floor(seconds / size)} ${name} ago`;
    }
    return seconds < 3 ? "just now" : `${Math.floor(seconds)} seconds ago`;
  };
  const tellTimes = () => {
    for (const time of document.querySelectorAll("time[data-since]")) {
      const text = ago(Math.max(0, Date.now() / 1000 - Number(time.dataset.since)));
      if (time.textContent !== text) time.textContent = text;
    }
  };

  // A chart that is being read, or a text that is being copied, is left alone for the moment.
  const inUse = (part) => {
    if (part.querySelector(".plot:hover, .plot:focus")) return true;
    const chosen = getSelection();
    return !chosen.isCollapsed && part.contains(chosen.anchorNode);
  };
  const alike = (from, to, selector) => {
    const there = [...to.querySelectorAll(selector)];
    const name = (element) => element.closest("[id]")?.id + (element.querySelector("h3")?.textContent
      ?? element.textContent.slice(0, 40)) + (element.value ?? "") + (element.href ?? "");
    const known = new Map(there.map((element) => [name(element), element]));
    return [...from.querySelectorAll(selector)]
      .map((element) => [element, known.get(name(element))]).filter((pair) => pair[1]);
  };
  const keep = (from, to) => {
    for (const [was, is] of alike(from, to, "details")) is.open = was.open;
    for (const [was, is] of alike(from, to, "input")) is.checked = was.checked;
    const controls = "a, button, input, summary";
    return alike(from, to, controls).find(([was]) => was === document.activeElement)?.[1];
  };
  const element = (text) => {
    const template = document.createElement("template");
    template.innerHTML = text;
    return template.content.firstElementChild;
  };

  const arrange = (place, names, parts) => {
    const here = new Map([...place.children].map((child) => [child.dataset.part, child]));
    let all = true;
    names.forEach((name, i) => {
      let part = here.get(name);
      if (name in parts && !(part && inUse(part))) {
        const fresh = element(parts[name]);
        const focus = part && keep(part, fresh);
        if (part) part.replaceWith(fresh); else place.append(fresh);
        fresh.dispatchEvent(new CustomEvent("plumbrl:new", { bubbles: true }));
        if (focus) focus.focus({ preventScroll: true });
        part = fresh;
      } else if (name in parts) all = false;
      here.delete(name);
      if (part && place.children[i] !== part) place.insertBefore(part, place.children[i]);
    });
    for (const gone of here.values()) gone.remove();
    return all;
  };
  const show = (changes) => {
    let all = true;
    for (const [slot, names] of Object.entries(changes.slots)) {
      const place = document.querySelector(`[data-slot="${slot}"]`);
      if (place) all = arrange(place, names, changes.parts) && all;
    }
    if (document.title !== changes.title) {
      document.title = changes.title;
      document.getElementById("news").textContent = changes.title;
    }
    tellTimes();
    choose();
    return all;
  };

  const say = (text) => {
    trouble.hidden = !text;
    if (trouble.textContent !== text) trouble.textContent = text;
  };
  const WORDS = {
    403: "The server was started anew: open the address that it has printed.",
    404: "This is not there any more; what you see is what was known last.",
  };
  const ask = async () => {
    const have = [...main.querySelectorAll("[data-hash]")].map((part) => part.dataset.hash);
    const address = new URL(main.dataset.live, location.href);
    address.searchParams.set("have", have.join("."));
    const answer = await fetch(address, { headers: etag ? { "If-None-Match": etag } : {} });
    if (answer.status === 200) {
      const next = answer.headers.get("ETag");
      etag = show(await answer.json()) ? next : "";
    }
    say(WORDS[answer.status] ?? "");
    return answer.ok || answer.status === 304;
  };
  const poll = async () => {
    if (busy || document.hidden || !main.dataset.live) return;
    busy = true;
    try {
      wait = await ask() ? EVERY : Math.min(SLOWEST, wait * 2);
    } catch {
      say("plumbrl serve does not answer; it may have been stopped.");
      wait = Math.min(SLOWEST, wait * 2);
    }
    busy = false;
  };
  const go = async () => { await poll(); setTimeout(go, wait); };

  // The button that compares tells how many runs are chosen.
  const choose = () => {
    const button = document.getElementById("compare");
    if (!button) return;
    const most = Number(button.dataset.most);
    const chosen = document.querySelectorAll('input[name="run"]:checked').length;
    button.disabled = chosen < 2 || chosen > most;
    button.textContent = chosen > most ? `Compare at most ${most}`
      : chosen > 1 ? `Compare ${chosen} runs` : "Choose runs to compare";
  };

  document.addEventListener("change", choose);
  document.addEventListener("visibilitychange", poll);
  addEventListener("pageshow", choose);
  tellTimes();
  choose();
  setInterval(tellTimes, 1000);
  if (main.dataset.live) setTimeout(go, EVERY);
})();
