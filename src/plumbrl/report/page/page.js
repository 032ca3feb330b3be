"use strict";
(() => {
  const root = document.documentElement;
  const themes = ["auto", "light", "dark"];
  // Storage is forbidden on some pages that are opened from a file.
  const remembered = () => {
    try { return localStorage.getItem("plumbrl-theme"); } catch { return null; }
  };
  const remember = (theme) => {
    try { localStorage.setItem("plumbrl-theme", theme); } catch { /* it holds for this page */ }
  };
  let theme = themes.includes(remembered()) ? remembered() : "auto";
  const dress = () => {
    if (theme === "auto") delete root.dataset.theme;
    else root.dataset.theme = theme;
  };
  dress();

  const themeButton = () => {
    const button = document.getElementById("theme");
    const say = () => { button.textContent = `Theme: ${theme}`; };
    button.addEventListener("click", () => {
      theme = themes[(themes.indexOf(theme) + 1) % themes.length];
      remember(theme);
      dress();
      say();
    });
    say();
    button.hidden = false;
  };

  const copyByHand = (text) => {
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  };

  const copyButton = (button) => {
    button.hidden = false;
    button.addEventListener("click", async () => {
      let done = true;
      try { await navigator.clipboard.writeText(button.dataset.copy); }
      catch { done = copyByHand(button.dataset.copy); button.focus(); }
      button.textContent = done ? "Copied" : "Not allowed";
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    });
  };

  const filter = (bar) => {
    const rows = bar.nextElementSibling.querySelectorAll("tbody tr");
    bar.hidden = false;
    bar.addEventListener("click", (event) => {
      const chosen = event.target.closest("button");
      if (!chosen) return;
      for (const b of bar.children) b.setAttribute("aria-pressed", String(b === chosen));
      const kind = chosen.dataset.show;
      for (const row of rows) row.hidden = kind !== "all" && !row.classList.contains(kind);
    });
  };

  const nearest = (points, x) => {
    let low = 0, high = points.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (points[middle].x < x) low = middle + 1; else high = middle;
    }
    return low > 0 && x - points[low - 1].x < points[low].x - x ? low - 1 : low;
  };

  const read = (figure) => {
    const svg = figure.querySelector("svg"), plot = figure.querySelector(".plot");
    const lines = [...svg.querySelectorAll("polyline.line")].map((line) => {
      const steps = line.dataset.steps.split(" "), values = line.dataset.values.split(" ");
      const points = line.getAttribute("points").split(" ").map((pair, i) => {
        const [x, y] = pair.split(",").map(Number);
        return { x, y, step: steps[i], value: values[i] };
      });
      const colour = [...line.classList].find((name) => /^c\d$/.test(name));
      return { name: line.dataset.name, colour, points: line.dataset.steps ? points.slice(0, steps.length) : [] };
    });
    const box = svg.viewBox.baseVal;
    return { plot, lines, wide: box.width, high: box.height };
  };

  const chart = (figure) => {
    const plot = figure.querySelector(".plot");
    const values = [...figure.querySelectorAll("[data-value]")];
    const when = figure.querySelector(".when");
    const before = [...values, when].map((shown) => shown.textContent);
    let data = null, at = null, cursor = null, dots = [];

    const start = () => {
      if (data) return;
      data = read(figure);
      data.first = data.lines.reduce((a, b) => (b.points.length > a.points.length ? b : a));
      cursor = document.createElement("div");
      cursor.className = "cursor";
      dots = data.lines.map((line) => {
        const dot = document.createElement("div");
        dot.className = `dot ${line.colour}`;
        return dot;
      });
      plot.append(cursor, ...dots);
    };
    const show = (x) => {
      start();
      if (!data.first.points.length) return;
      at = nearest(data.first.points, x);
      const here = data.first.points[at], said = [];
      cursor.hidden = false;
      cursor.style.left = `${(100 * here.x) / data.wide}%`;
      data.lines.forEach((line, i) => {
        dots[i].hidden = !line.points.length;
        if (!line.points.length) return;
        const point = line.points[nearest(line.points, here.x)];
        dots[i].style.left = `${(100 * point.x) / data.wide}%`;
        dots[i].style.top = `${(100 * point.y) / data.high}%`;
        dots[i].hidden = point.y < 0 || point.y > data.high;
        values[i].textContent = point.value;
        said.push(`${line.name} ${point.value}`);
      });
      const step = Number(here.step).toLocaleString("en");
      when.textContent = `at step ${step}`;
      plot.setAttribute("aria-valuenow", String(at));
      plot.setAttribute("aria-valuetext", `step ${step}: ${said.join(", ")}`);
    };
    const hide = () => {
      if (!cursor) return;
      at = null;
      for (const mark of [cursor, ...dots]) mark.hidden = true;
      [...values, when].forEach((shown, i) => { shown.textContent = before[i]; });
    };

    plot.tabIndex = 0;
    plot.setAttribute("role", "slider");
    plot.setAttribute("aria-label", `${figure.querySelector(".name").textContent}: read off points with the arrow keys`);
    plot.setAttribute("aria-valuemin", "0");
    plot.setAttribute("aria-valuenow", "0");
    plot.addEventListener("pointermove", (event) => {
      const place = plot.getBoundingClientRect();
      start();
      show((data.wide * (event.clientX - place.left)) / place.width);
    });
    plot.addEventListener("pointerleave", hide);
    plot.addEventListener("blur", hide);
    plot.addEventListener("focus", () => {
      start();
      plot.setAttribute("aria-valuemax", String(Math.max(0, data.first.points.length - 1)));
    });
    plot.addEventListener("keydown", (event) => {
      start();
      const last = data.first.points.length - 1, now = at ?? last;
      const leap = Math.max(1, Math.round(last / 10));
      const to = { ArrowLeft: now - 1, ArrowDown: now - 1, ArrowRight: now + 1, ArrowUp: now + 1,
        PageDown: now - leap, PageUp: now + leap, Home: 0, End: last }[event.key];
      if (event.key === "Escape") hide();
      if (to === undefined || last < 0) return;
      event.preventDefault();
      show(data.first.points[Math.min(last, Math.max(0, to))].x);
    });
  };

  const unfold = () => {
    const target = location.hash && document.getElementById(location.hash.slice(1));
    const folded = target && target.closest("details");
    if (folded) { folded.open = true; target.scrollIntoView(); }
  };

  const furnish = (part) => {
    part.querySelectorAll("button.copy").forEach(copyButton);
    part.querySelectorAll(".filter").forEach(filter);
    part.querySelectorAll("figure.chart").forEach(chart);
  };

  // Told by a page that puts new parts in place of old ones.
  document.addEventListener("plumbrl:new", (event) => furnish(event.target));
  document.addEventListener("DOMContentLoaded", () => {
    themeButton();
    furnish(document);
    addEventListener("hashchange", unfold);
    unfold();
    let opened = [];
    addEventListener("beforeprint", () => {
      opened = [...document.querySelectorAll("details:not([open]):not(.about)")];
      for (const part of opened) part.open = true;
    });
    addEventListener("afterprint", () => { for (const part of opened) part.open = false; });
  });
})();
