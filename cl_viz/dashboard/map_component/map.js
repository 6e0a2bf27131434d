/* A map of points. The server sends what the window shows, as arrays or as a picture; the browser tells it what was
   done: the window, the outlines drawn, the place clicked, the kinds hidden; never a list of points.
   plotly.js comes from this server. Names from files are only ever set as text. */

const QUIET = 250; // ms without a change before the window is told
const CLICK = 4; // px a pointer may move in a click
const FAINT = 0.12; // opacity beside a selection
const MOST_OUTLINES = 8; // as many as an address holds
const OUTLINE = "outline"; // name of the shapes that are outlines
const CAMERA = { eye: { x: 1.5, y: 1.5, z: 0.9 }, center: { x: 0, y: 0, z: -0.12 } };
/* Lasso and box are drawn as shapes: with every move of a selection of its own, plotly compares each point of it with
   each that was selected before, which takes minutes for large ones. */
const TOOLS = [
  ["pan", "Move", "Drag moves the map, the wheel zooms once the map has the focus"],
  ["drawclosedpath", "Lasso", "Drag draws an outline around samples; with shift it adds to the selection"],
  ["drawrect", "Box", "Drag draws a box around samples; with shift it adds to the selection"],
  ["zoom", "Zoom", "Drag draws the box to zoom into"],
];
const KEYS =
  "Keys: arrows move, plus and minus zoom, 0 shows the whole map, S selects what is in view, Escape clears the selection.";

// A browser without WebGL draws the same points more slowly.
const FLAT = document.createElement("canvas").getContext("webgl") ? "scattergl" : "scatter";

const maps = new WeakMap();
let library;

/* Whether a place lies inside an outline: the even-odd rule, as the server counts. */
function inside(corners, x, y) {
  let odd = false;
  for (let at = 0, before = corners.length - 1; at < corners.length; before = at++) {
    const [x0, y0] = corners[at];
    const [x1, y1] = corners[before];
    if (y0 > y !== y1 > y && x < ((x1 - x0) * (y - y0)) / (y1 - y0) + x0) odd = !odd;
  }
  return odd;
}

/* The places in any of the outlines; the box around each is looked at first. */
function placesInside(outlines, xs, ys) {
  const boxes = outlines.map((corners) => {
    const [across, upwards] = [0, 1].map((axis) => corners.map((corner) => corner[axis]));
    return [Math.min(...across), Math.max(...across), Math.min(...upwards), Math.max(...upwards)];
  });
  const found = [];
  for (let at = 0; at < xs.length; at++) {
    const [x, y] = [xs[at], ys[at]];
    const holds = ([left, right, low, high], number) =>
      x >= left && x <= right && y >= low && y <= high && inside(outlines[number], x, y);
    if (boxes.some(holds)) found.push(at);
  }
  return found;
}

/* The corners of a shape that was drawn, in the units of the axes. */
function cornersOf({ type, path, x0, x1, y0, y1 }) {
  if (type === "rect") return [[x0, y0], [x1, y0], [x1, y1], [x0, y1]];
  return path.split("Z")[0].slice(1).split("L").map((corner) => corner.split(",").map(Number));
}

export default function (component) {
  const { parentElement, data } = component;
  if (!maps.has(parentElement)) maps.set(parentElement, new PointMap(parentElement));
  const map = maps.get(parentElement);
  map.tell = component.setStateValue;
  map.update(unpack(data)).catch((error) => map.fail(error));
  return () => {
    map.leave();
    maps.delete(parentElement);
  };
}

/* Bytes: length of the header (uint32), the header as JSON, then the arrays, each beginning at a multiple of 8. */
function unpack(bytes) {
  const length = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true);
  const message = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
  const kinds = { float32: Float32Array, int32: Int32Array, uint8: Uint8Array };
  const arrays = {};
  for (const [name, entry] of Object.entries(message.arrays)) {
    const buffer = bytes.slice(entry.at, entry.at + entry.bytes).buffer;
    arrays[name] = new kinds[entry.type](buffer);
  }
  return { ...message, arrays };
}

function loadPlotly(address) {
  if (window.Plotly) return Promise.resolve(window.Plotly);
  library ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = new URL(address, window.location.href).href;
    script.onload = () => resolve(window.Plotly);
    script.onerror = () => {
      library = undefined;
      script.remove();
      reject(new Error("plotly.js could not be loaded from this server."));
    };
    document.head.append(script);
  });
  return library;
}

function element(tag, name, attributes = {}, text = "") {
  const made = document.createElement(tag);
  if (name) made.className = name;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  return made;
}

function addressOf(png) {
  return new Promise((resolve) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.readAsDataURL(new Blob([png], { type: "image/png" }));
  });
}

class PointMap {
  constructor(parent) {
    this.root = element("div", "cl-map");
    this.tools = element("div", "cl-map-tools", { role: "toolbar", "aria-label": "Tools of the map" });
    this.frame = element("div", "cl-map-frame");
    this.plot = element("div", "cl-map-plot", { tabindex: "0", role: "application" });
    this.tip = element("div", "cl-map-tip", { hidden: "" });
    this.legend = element("div", "cl-map-legend", { role: "group" });
    this.status = element("p", "cl-map-status", { role: "status", "aria-live": "polite" });
    this.frame.append(this.plot, this.tip);
    this.root.append(this.tools, this.frame, this.legend, this.status);
    parent.append(this.root);
    this.tool = "pan";
    this.outlines = [];
    this.adding = false;
    this.hidden = new Set();
    this.turn = 0;
    this.plot.addEventListener("keydown", (event) => this.key(event));
    // A page that is scrolled past the map must not zoom it.
    this.plot.addEventListener("wheel", (event) => {
      if (!this.plot.contains(document.activeElement)) event.stopPropagation();
    }, { capture: true });
    this.resizing = new ResizeObserver(() => {
      if (this.drawn && this.plot.clientWidth) this.Plotly.Plots.resize(this.plot);
    });
    this.resizing.observe(this.frame);
  }

  leave() {
    this.resizing.disconnect();
    this.hearing?.abort();
    clearTimeout(this.timer);
    if (this.drawn) this.Plotly.purge(this.plot);
    this.root.remove();
  }

  fail(error) {
    this.status.textContent = `The map could not be drawn: ${error.message}`;
    console.error(error);
  }

  async update(message) {
    const turn = ++this.turn;
    this.Plotly = await loadPlotly(message.plotly);
    const picture = message.kind === "picture" ? await addressOf(message.arrays.png) : "";
    if (turn !== this.turn) return; // a newer message has come meanwhile
    const ordered = message.command.number !== this.obeyed;
    this.obeyed = message.command.number;
    if (message.revision !== this.revision) {
      this.message = message;
      this.picture = picture;
      this.hidden = new Set(message.hidden);
      await this.draw(ordered ? message.command : this.standing());
      this.drawTools();
      this.drawLegend();
      this.revision = message.revision;
    } else if (ordered && message.flat) {
      await this.change(this.view(message.command));
    }
    this.plot.setAttribute("aria-label", `${message.description} ${KEYS}`);
    this.status.textContent = message.status;
    this.root.dataset.revision = message.revision;
  }

  /* What is in view and selected now, as a command that keeps it. */
  standing() {
    if (!this.drawn || !this.wasFlat) return { window: null, outlines: [], at: null };
    return { window: this.window(), outlines: this.outlines, at: this.mark };
  }

  window() {
    const { xaxis, yaxis } = this.plot._fullLayout;
    return [...xaxis.range, ...yaxis.range];
  }

  /* Takes over what a command says, as layout. */
  view(command) {
    const [left, right, low, high] = command.window ?? this.message.window;
    this.mark = command.at;
    this.outlines = command.outlines;
    return { "xaxis.range": [left, right], "yaxis.range": [low, high], shapes: this.shapes() };
  }

  /* Changes the layout, and makes faint what is beside the outlines. */
  async change(layout) {
    if (this.message.kind !== "points") return this.Plotly.relayout(this.plot, layout);
    return this.Plotly.update(this.plot, { selectedpoints: this.plot.data.map((trace) => this.selectedPlaces(trace)) }, layout);
  }

  /* Places of a trace's points inside the outlines; null for all where there are none. */
  selectedPlaces({ x, y }) {
    return this.outlines.length ? placesInside(this.outlines, x, y) : null;
  }

  async draw(command) {
    const { message } = this;
    const { look } = message;
    const layout = {
      paper_bgcolor: look.background, plot_bgcolor: look.background, height: message.height,
      font: { family: message.font, size: 13, color: look.text }, showlegend: false, hovermode: "closest",
      margin: { l: 52, r: 16, t: 8, b: 44 },
    };
    if (message.flat) Object.assign(layout, this.flatLayout(command));
    else Object.assign(layout, this.spaceLayout());
    // The traces of a flat map and of one in space cannot turn into each other.
    if (this.drawn && this.wasFlat !== message.flat) {
      this.Plotly.purge(this.plot);
      this.heard = false;
    }
    this.wasFlat = message.flat;
    await this.Plotly.react(this.plot, this.traces(), layout, {
      displayModeBar: false, scrollZoom: true, responsive: false, doubleClick: false,
    });
    this.drawn = true;
    if (!this.heard) this.listen();
    this.heard = true;
  }

  flatLayout(command) {
    const { look, axes, kind, covers } = this.message;
    const view = this.view(command);
    const axis = (title, range) => ({
      title: { text: title, font: { size: 13 } }, range, gridcolor: look.grid, linecolor: look.muted, showline: true,
      zeroline: false, tickfont: { size: 12, color: look.muted },
    });
    const images = kind !== "picture" ? [] : [{
      source: this.picture, xref: "x", yref: "y", x: covers[0], y: covers[3], xanchor: "left", yanchor: "top",
      sizex: covers[1] - covers[0], sizey: covers[3] - covers[2], sizing: "stretch", layer: "below",
    }];
    return {
      xaxis: axis(axes[0], view["xaxis.range"]),
      yaxis: { ...axis(axes[1], view["yaxis.range"]), scaleanchor: "x" },
      images, shapes: view.shapes, dragmode: this.tool,
      newshape: { line: this.outlineLine(), fillcolor: "rgba(0,0,0,0)", opacity: 1 },
    };
  }

  spaceLayout() {
    const { look, axes } = this.message;
    const axis = (title) => ({
      title: { text: title.replace(/ \(.*/, "") }, gridcolor: look.grid, zeroline: false, showbackground: false,
      color: look.muted, tickfont: { size: 10 },
    });
    const [xaxis, yaxis, zaxis] = axes.map(axis);
    return {
      scene: { xaxis, yaxis, zaxis, aspectmode: "data", dragmode: "orbit", camera: CAMERA },
      uirevision: "kept", margin: { l: 0, r: 0, t: 0, b: 0 },
    };
  }

  traces() {
    const { message } = this;
    const { arrays, scale } = message;
    const bar = scale && {
      colorscale: scale.colours.slice(0, -1).map((colour, at, all) => [at / (all.length - 1), colour]),
      cmin: scale.low, cmax: scale.high, showscale: true,
      colorbar: { thickness: 12, outlinewidth: 0, tickfont: { color: message.look.muted } },
    };
    if (message.kind === "picture") {
      const [left, right, low, high] = message.window; // two points that are not seen keep the axes and the bar
      return [{ type: "scatter", mode: "markers", x: [left, right], y: [low, high], hoverinfo: "none",
        marker: { opacity: 0, size: 1, ...(bar && { ...bar, color: [scale.low, scale.high] }) } }];
    }
    return this.groups().flatMap(({ n, colour, chosen, code }, group) => {
      if (!n) return [];
      const take = (array) => (n === array.length ? array : array.filter((_, at) => this.member[at] === group));
      const bright = chosen === false ? FAINT : 0.8;
      const trace = {
        type: message.flat ? FLAT : "scatter3d", mode: "markers", hoverinfo: "none", meta: code,
        x: take(arrays.x), y: take(arrays.y), customdata: take(arrays.row),
        visible: code === undefined || !this.hidden.has(code),
        marker: { size: message.flat ? message.size : Math.max(2, message.size - 2), opacity: bright, color: colour ?? take(arrays.value), ...(colour ? {} : bar) },
      };
      if (message.flat) {
        trace.unselected = { marker: { opacity: FAINT } };
        trace.selectedpoints = this.selectedPlaces(trace);
      } else trace.z = take(arrays.z);
      return [trace];
    });
  }

  /* Points that share a trace: a kind each (or known and unknown numbers), split again by being chosen elsewhere. */
  groups() {
    const { arrays, categories, scale } = this.message;
    const { code, value, chosen } = arrays;
    const kinds = categories ? categories.length : 2;
    this.member = new Int32Array(arrays.x.length);
    const sizes = new Int32Array(kinds * 2);
    for (let at = 0; at < this.member.length; at++) {
      const kind = code ? code[at] : Number.isNaN(value[at]) ? 1 : 0;
      this.member[at] = kind + (chosen && chosen[at] ? kinds : 0);
      sizes[this.member[at]]++;
    }
    return Array.from(sizes, (n, group) => ({
      n,
      code: categories ? group % kinds : undefined,
      colour: categories ? categories[group % kinds].colour : group % kinds ? scale.colours.at(-1) : undefined,
      chosen: chosen ? group >= kinds : undefined,
    }));
  }

  listen() {
    this.plot.on("plotly_relayout", (change) => {
      const keys = Object.keys(change);
      if (keys.some((key) => /^[xy]axis\./.test(key))) this.tellWindow();
      if (keys.includes("shapes")) this.takeDrawn();
    });
    this.plot.on("plotly_hover", ({ points, event }) => this.showTip(points[0], event));
    this.plot.on("plotly_unhover", () => {
      this.tip.hidden = true;
      this.under = null;
    });
    this.plot.on("plotly_click", ({ points }) => {
      if (!this.message.flat) this.tell("click", [points[0].x, points[0].y, points[0].z]);
    });
    // plotly puts a sheet over the page while a pointer is down, so moves and the release are heard from the window.
    this.hearing?.abort();
    this.hearing = new AbortController();
    const hear = { capture: true, signal: this.hearing.signal };
    let press = null;
    this.plot.addEventListener("pointerdown", (event) => {
      press = { event, moved: 0 };
      this.adding = event.shiftKey;
      this.plot.focus({ preventScroll: true });
    }, hear);
    window.addEventListener("pointermove", (event) => {
      const { clientX, clientY } = press?.event ?? event;
      if (press) press.moved = Math.max(press.moved, Math.hypot(event.clientX - clientX, event.clientY - clientY));
    }, hear);
    window.addEventListener("pointerup", () => {
      if (press && press.moved < CLICK && this.message.flat) this.click(press.event);
      press = null;
    }, hear);
  }

  click(event) {
    const box = this.plot.querySelector(".nsewdrag")?.getBoundingClientRect();
    if (!box || event.clientX < box.left || event.clientX > box.right || event.clientY < box.top || event.clientY > box.bottom) return;
    const { xaxis, yaxis } = this.plot._fullLayout;
    const at = [xaxis.p2d(event.clientX - box.left), yaxis.p2d(event.clientY - box.top)];
    // Where points lie on each other, the one whose text is shown is the one that is meant.
    this.mark = this.under ?? this.nearestPoint(...at) ?? at;
    this.Plotly.relayout(this.plot, { shapes: this.shapes() });
    this.tell("click", this.mark);
  }

  /* The place of the point that is nearest; nothing where the map is a picture. */
  nearestPoint(x, y) {
    if (this.message.kind !== "points") return null;
    let [nearest, least] = [null, Infinity];
    for (const trace of this.plot.data) {
      for (let at = 0; at < trace.x.length; at++) {
        const distance = (trace.x[at] - x) ** 2 + (trace.y[at] - y) ** 2;
        if (distance < least) [nearest, least] = [[trace.x[at], trace.y[at]], distance];
      }
    }
    return nearest;
  }

  /* The outlines, and a ring around the place that was clicked. */
  shapes() {
    const name = OUTLINE;
    const outlines = this.outlines.map((corners) => ({
      type: "path", xref: "x", yref: "y", name, line: this.outlineLine(),
      path: `M${corners.map((corner) => corner.join(",")).join("L")}Z`,
    }));
    if (!this.mark) return outlines;
    const [xanchor, yanchor] = this.mark;
    const line = { color: this.message.look.text, width: 2 };
    return [...outlines, { type: "circle", name: "ring", xsizemode: "pixel", ysizemode: "pixel", xanchor, yanchor, x0: -8, x1: 8, y0: -8, y1: 8, line }];
  }

  showTip(point, event) {
    const { categories } = this.message;
    const { meta, marker } = point.data;
    const value = Array.isArray(marker.color) || ArrayBuffer.isView(marker.color) ? marker.color[point.pointNumber] : null;
    const what = categories?.[meta] ? categories[meta].name : value === null ? "unknown" : Number(value).toPrecision(3);
    this.tip.textContent = `${this.message.colouring}: ${what} · row ${point.customdata}`;
    this.tip.hidden = false;
    this.under = [point.x, point.y];
    const box = this.frame.getBoundingClientRect();
    const { clientX = box.left, clientY = box.top } = event ?? {};
    this.tip.style.left = `${Math.min(clientX - box.left + 12, box.width - this.tip.offsetWidth - 4)}px`;
    this.tip.style.top = `${Math.max(0, clientY - box.top - 34)}px`;
  }

  tellWindow() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      const { xaxis, yaxis } = this.plot._fullLayout;
      this.tell("window", [...this.window(), Math.round(xaxis._length), Math.round(yaxis._length)]);
    }, QUIET);
  }

  outlineLine() {
    return { color: this.message.look.text, width: 1.5, dash: "dot" };
  }

  /* Makes what a hand has drawn an outline: shapes of this map have a name, a hand's have none. */
  takeDrawn() {
    const drawn = this.plot.layout.shapes.filter(({ name }) => !name).map(cornersOf);
    if (!drawn.length) return;
    const room = MOST_OUTLINES - (this.adding ? this.outlines.length : 0);
    if (room < 1) this.status.textContent = `At most ${MOST_OUTLINES} outlines make a selection: the last one was left out.`;
    const usable = drawn.filter((corners) => corners.length > 2).slice(0, room);
    this.select(this.adding ? [...this.outlines, ...usable] : usable);
  }

  /* Selects what is inside some outlines, and tells it. */
  select(outlines) {
    const before = JSON.stringify(this.outlines);
    this.outlines = outlines;
    if (JSON.stringify(outlines) !== before) this.tell("outlines", outlines);
    return this.change({ shapes: this.shapes() });
  }

  drawTools() {
    const { flat } = this.message;
    const button = (label, help, act, name) => {
      const made = element("button", "", { type: "button", title: help, ...(name && { "data-tool": name }) }, label);
      made.onclick = act;
      return made;
    };
    const tools = TOOLS.map(([name, label, help]) => {
      const made = button(label, help, () => this.use(name), name);
      made.setAttribute("aria-pressed", String(this.tool === name));
      return made;
    });
    const whole = button("Whole map", "Show all samples (0)", () => this.zoom(0));
    const inward = button("+", "Zoom in", () => this.zoom(0.5));
    inward.setAttribute("aria-label", "Zoom in");
    const outward = button("−", "Zoom out", () => this.zoom(2));
    outward.setAttribute("aria-label", "Zoom out");
    const view = button("Select view", "Select what is in view (S)", () => this.selectView());
    const picture = button("PNG", "Save the map as it is, at twice its size", () =>
      this.Plotly.downloadImage(this.plot, { format: "png", scale: 2, filename: "cl_viz-map" }));
    const focused = this.tools.contains(document.activeElement) && document.activeElement.dataset.tool;
    this.tools.replaceChildren(...(flat ? [...tools, inward, outward, whole, view, picture] : [whole, picture]));
    if (focused) this.tools.querySelector(`[data-tool="${focused}"]`)?.focus();
  }

  use(tool) {
    this.tool = tool;
    this.Plotly.relayout(this.plot, { dragmode: tool });
    for (const made of this.tools.children) {
      if (made.dataset.tool) made.setAttribute("aria-pressed", String(made.dataset.tool === tool));
    }
  }

  drawLegend() {
    const { categories, colouring } = this.message;
    this.legend.setAttribute("aria-label", `Legend of ${colouring}: each button hides or shows its samples`);
    const focused = this.legend.contains(document.activeElement) && document.activeElement.dataset.code;
    const buttons = (categories ?? []).map(({ name, colour, n }, code) => {
      const made = element("button", "", {
        type: "button", "data-code": code, "aria-pressed": String(!this.hidden.has(code)),
        title: `${name}, N = ${n.toLocaleString("en")}. Click hides or shows, shift-click shows it alone.`,
      });
      const chip = element("i");
      chip.style.background = colour;
      made.append(chip, element("span", "", {}, name));
      made.onclick = (event) => this.toggle(code, event.shiftKey);
      return made;
    });
    if (this.hidden.size) {
      const all = element("button", "", { type: "button" }, "Show all");
      all.onclick = () => this.hide(new Set());
      buttons.push(all);
    }
    this.legend.replaceChildren(...buttons);
    if (focused) this.legend.querySelector(`[data-code="${focused}"]`)?.focus();
  }

  toggle(code, alone) {
    const hidden = new Set(this.hidden);
    if (alone) this.message.categories.forEach((_, other) => (other === code ? hidden.delete(other) : hidden.add(other)));
    else if (!hidden.delete(code)) hidden.add(code);
    this.hide(hidden);
  }

  hide(hidden) {
    this.hidden = hidden;
    this.drawLegend();
    this.tell("hidden", [...hidden].sort((first, second) => first - second));
  }

  zoom(factor, across = 0, upwards = 0) {
    if (!this.message.flat) return this.Plotly.relayout(this.plot, { "scene.camera": CAMERA });
    let [left, right, low, high] = factor ? this.window() : this.message.window;
    if (factor) {
      const [x, y] = [(left + right) / 2 + across * (right - left), (low + high) / 2 + upwards * (high - low)];
      const [width, height] = [((right - left) * factor) / 2, ((high - low) * factor) / 2];
      [left, right, low, high] = [x - width, x + width, y - height, y + height];
    }
    return this.Plotly.relayout(this.plot, { "xaxis.range": [left, right], "yaxis.range": [low, high] });
  }

  selectView() {
    const [left, right, low, high] = this.window();
    return this.select([[[left, low], [right, low], [right, high], [left, high]]]);
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !this.drawn) return;
    const step = 0.15;
    const acts = {
      ArrowLeft: () => this.zoom(1, -step, 0), ArrowRight: () => this.zoom(1, step, 0),
      ArrowUp: () => this.zoom(1, 0, step), ArrowDown: () => this.zoom(1, 0, -step),
      "+": () => this.zoom(0.7), "=": () => this.zoom(0.7), "-": () => this.zoom(1 / 0.7), 0: () => this.zoom(0),
      s: () => this.selectView(), Escape: () => this.select([]),
    };
    const act = acts[event.key];
    if (!act || (!this.message.flat && event.key !== "0")) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  }
}
