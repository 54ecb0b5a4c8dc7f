// What lies over the picture: playback bar, statuses, legend, layers and cameras.

const make = (tag, name, text = "") => {
  const made = document.createElement(tag);
  if (name) made.className = name;
  made.textContent = text; // never as HTML: names come from files
  return made;
};
const button = (label, text, act) => {
  const made = make("button", "rt-button", text);
  made.type = "button";
  made.title = label;
  made.setAttribute("aria-label", label);
  made.addEventListener("click", act);
  return made;
};
const SPEEDS = [0.1, 0.25, 0.5, 1, 2, 4];
const STATUS_MARKS = ["✓", "≤", "✕", "≈", "–", "‖"]; // distinct without colour

class Overlay {
  constructor(player, header) {
    this.player = player;
    this.header = header;
    const top = make("div", "rt-top");
    top.append(this.makeState(), this.makePanel());
    player.element.querySelector(".rt-view").append(top, this.makeLegend());
    if (!player.live) player.element.append(this.makeBar());
  }

  makeState() {
    const box = make("div", "rt-state rt-card");
    this.title = make("div", "rt-title", this.header.title);
    box.append(this.title);
    this.sides = this.header.sides.map((side) => {
      const row = make("div", "rt-side");
      const badges = ["hand", "arm"].map(() => make("span", "rt-badge"));
      const figures = make("span", "rt-figures");
      row.append(make("span", "rt-name", side), ...badges, figures);
      box.append(row);
      return { badges, figures };
    });
    this.clock = make("div", "rt-clock");
    box.append(this.clock);
    for (const note of this.header.notes) box.append(make("div", "rt-note", note));
    return box;
  }

  makePanel() {
    const panel = make("details", "rt-panel rt-card rt-control");
    panel.open = this.player.element.clientWidth >= 1000;
    panel.append(make("summary", "", "View"));
    const cameras = make("div", "rt-cameras");
    this.header.presets.forEach((preset, i) =>
      cameras.append(button(`${preset.label} (${i + 1})`, preset.label,
        () => this.player.camera(preset.name))));
    panel.append(cameras);
    this.boxes = new Map();
    for (const [name, layer] of this.player.stage.layers) {
      const label = make("label", "rt-layer");
      const box = make("input");
      box.type = "checkbox";
      box.addEventListener("change", () => this.player.layer(name, box.checked));
      label.append(box, document.createTextNode(layer.label));
      panel.append(label);
      this.boxes.set(name, box);
    }
    this.showLayers();
    panel.append(button("Light or dark (t)", "Light / dark", () => this.player.switchTheme()));
    return panel;
  }

  makeLegend() {
    const legend = make("div", "rt-legend rt-card");
    const { colour_table: table, error_levels: levels, error_max_mm: end } = this.header;
    const stops = table.slice(0, levels).filter((_, i) => i % 10 === 0 || i === levels - 1);
    const scale = make("div", "rt-scale");
    scale.style.background = `linear-gradient(to right, ${stops.map((c) => `rgb(${c})`)})`;
    const ticks = make("div", "rt-ticks");
    const figure = (mm) => String(Number(mm.toPrecision(3)));
    ticks.append(make("span", "", "0"), make("span", "", figure(end / 2)),
      make("span", "", `≥ ${figure(end)} mm`));
    legend.append(make("div", "", this.header.error_label), scale, ticks);
    return legend;
  }

  makeBar() {
    const bar = make("div", "rt-bar rt-card rt-control");
    this.playButton = button("Play or pause (space)", "▶", () => this.player.toggle());
    this.scrub = make("input", "rt-scrub");
    Object.assign(this.scrub, { type: "range", min: 0, max: this.player.frames - 1, step: 1 });
    this.scrub.setAttribute("aria-label", "Frame");
    this.scrub.addEventListener("input", () => this.player.seek(Number(this.scrub.value)));
    const speed = make("select", "rt-speed");
    speed.setAttribute("aria-label", "Speed");
    for (const value of SPEEDS) speed.append(new Option(`${value}×`, value, value === 1, value === 1));
    speed.addEventListener("change", () => (this.player.speed = Number(speed.value)));
    const track = make("div", "rt-track");
    track.append(this.scrub, this.makeTimeline());
    bar.append(button("One frame back (←)", "◀|", () => this.player.step(-1)), this.playButton,
      button("One frame on (→)", "|▶", () => this.player.step(1)), track, speed);
    return bar;
  }

  // Statuses over time, a line each: left hand, left arm, right hand, right arm.
  makeTimeline() {
    const canvas = make("canvas", "rt-timeline");
    const { hand_status: hand, arm_status: arm } = this.player.arrays;
    Object.assign(canvas, { width: 600, height: 4 });
    const context = canvas.getContext("2d");
    const width = 600 / this.player.frames;
    for (let line = 0; line < 4; line++)
      for (let r = 0; r < this.player.frames; r++) {
        const status = (line % 2 ? arm : hand)[2 * r + (line >> 1)];
        if (status === 0) continue;
        context.fillStyle = this.header.statuses[status].colour;
        context.fillRect(r * width, line, Math.max(width, 2), 1);
      }
    canvas.title = "Statuses over time: left hand and arm above, right hand and arm below";
    return canvas;
  }

  showLayers() {
    for (const [name, box] of this.boxes) box.checked = this.player.stage.shown(name);
  }

  showPlaying() {
    this.playButton.textContent = this.player.playing ? "❚❚" : "▶";
  }

  // Fills in row r of the arrays.
  showFrame(arrays, r, clock) {
    this.clock.textContent = clock;
    if (this.scrub) this.scrub.value = r;
    this.sides.forEach(({ badges, figures }, s) => {
      const statuses = [arrays.hand_status[2 * r + s], arrays.arm_status[2 * r + s]];
      statuses.forEach((value, k) => {
        const status = this.header.statuses[value];
        badges[k].textContent = `${STATUS_MARKS[value]} ${["hand", "arm"][k]} ${status.text}`;
        badges[k].style.setProperty("--rt-status", status.colour);
        badges[k].dataset.status = status.label;
      });
      const tips = Array.from(arrays.error_mm.subarray(10 * r + 5 * s, 10 * r + 5 * s + 5));
      const known = tips.filter(Number.isFinite);
      const most = Math.max(...known);
      const digits = most < 1 ? 3 : most < 10 ? 2 : 1;
      figures.textContent = known.length ? `tips ≤ ${most.toFixed(digits)} mm` : "";
    });
  }
}
