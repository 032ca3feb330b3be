const SVG = "http://www.w3.org/2000/svg";
const element = (name, attributes = {}, text = "") => {
  const made = name === "svg" || name === "path" || name === "line"
    ? document.createElementNS(SVG, name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text) made.textContent = text;
  return made;
};

// Three significant digits, with a true minus.
const number = (x) => {
  if (!Number.isFinite(x)) return "–";
  const size = Math.abs(x);
  const text = size === 0 ? "0" : size >= 1e5 || size < 1e-3 ? size.toExponential(1) : size >= 100 ? size.toFixed(0) : Number(size.toPrecision(3)).toString();
  return (x < 0 ? "−" : "") + text;
};

const range = (lines, bounds) => {
  let [low, high] = bounds ?? [Infinity, -Infinity];
  for (const { values } of lines) for (const x of values) {
    if (Number.isFinite(x)) { low = Math.min(low, x); high = Math.max(high, x); }
  }
  if (low > high) return [0, 1];
  if (low > 0 && low < 0.4 * high) low = 0;
  if (high < 0 && high > 0.4 * low) high = 0;
  const room = 0.06 * (high - low) || Math.abs(high) * 0.1 || 1;
  return [low - (low === 0 ? 0 : room), high + (high === 0 ? 0 : room)];
};

// The bounds, or else round numbers, and 0 where it lies between.
const ticks = (low, high, bounds) => {
  if (bounds) return bounds[0] < 0 && bounds[1] > 0 ? [bounds[0], 0, bounds[1]] : bounds;
  const rough = (high - low) / 2.2, power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].filter((m) => m * power <= rough).pop();
  const first = Math.ceil(low / step - 1e-9), last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => (first + i) * step);
};

// At most two points a column of pixels: the lowest and the highest.
const outline = (values, low, high, columns = 500) => {
  const y = (x) => (100 * (1 - (x - low) / (high - low))).toFixed(2);
  const width = Math.max(1, Math.ceil(values.length / columns));
  const out = [];
  let pen = "M";
  for (let i = 0; i < values.length; i += width) {
    let least = i, most = i;
    for (let k = i; k < Math.min(i + width, values.length); k++) {
      if (!(values[k] >= values[least])) least = k;
      if (!(values[k] <= values[most])) most = k;
    }
    for (const k of least === most ? [least] : [Math.min(least, most), Math.max(least, most)]) {
      if (!Number.isFinite(values[k])) { pen = "M"; continue; }
      out.push(`${pen}${(1000 * k / Math.max(values.length - 1, 1)).toFixed(2)} ${y(values[k])}`);
      pen = "L";
    }
  }
  return out.join("");
};

// A chart with a cursor; `seek` is told the share of the episode that was clicked.
const makeChart = (told, seek) => {
  const lines = told.lines.map((line) => ({ name: line.name, values: floats(line.data) }));
  const [low, high] = range(lines, told.bounds);
  const height = (x) => 100 * (1 - (x - low) / (high - low));
  const figure = element("figure", { class: "chart" });
  const svg = element("svg", { viewBox: "0 0 1000 100", preserveAspectRatio: "none", role: "img", "aria-label": told.title });
  const plot = element("div", { class: "plot" });
  const rule = (x, kind) => svg.append(element("line", { class: kind, x1: 0, x2: 1000, y1: height(x), y2: height(x) }));
  for (const x of ticks(low, high, told.bounds)) {
    rule(x, "grid");
    const label = element("span", { class: "tick" }, number(x));
    label.style.bottom = `${100 - height(x)}%`;
    plot.append(label);
  }
  for (const bound of told.bounds ?? []) rule(bound, "bound");
  const legend = element("ul", { class: "legend" });
  const shown = lines.map(({ name, values }, i) => {
    const colour = `c${i % 8}`;
    svg.append(element("path", { class: colour, d: outline(values, low, high) }));
    const item = element("li"), value = element("b");
    item.append(element("i", { class: `swatch ${colour}` }));
    if (lines.length > 1) item.append(`${name} `);
    item.append(value);
    legend.append(item);
    return value;
  });
  const cursor = element("div", { class: "cursor" });
  plot.append(svg, cursor);
  figure.append(element("h2", {}, told.title), element("span", { class: "unit" }, told.unit), legend, plot);

  const at = (event) => {
    const { left, width } = plot.getBoundingClientRect();
    seek(Math.min(Math.max((event.clientX - left) / width, 0), 1));
  };
  plot.addEventListener("pointerdown", (event) => { plot.setPointerCapture(event.pointerId); at(event); });
  plot.addEventListener("pointermove", (event) => { if (event.buttons & 1) at(event); });
  const show = (share, index) => {
    cursor.style.left = `${100 * share}%`;
    lines.forEach(({ values }, i) => { shown[i].textContent = number(values[Math.min(index, values.length - 1)]); });
  };
  return { figure, show };
};
