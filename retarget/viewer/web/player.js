// The player: one container with its data becomes a scene, an overlay and the API of the page.

const TYPES = { float64: Float64Array, float32: Float32Array, int16: Int16Array, uint8: Uint8Array };
const INTEGERS = { 4: Int32Array, 2: Int16Array, 1: Uint8Array };

const bytesOf = (base64) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));

async function inflate(deflated) {
  const stream = new Blob([deflated]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).arrayBuffer();
}

// Arrays in a buffer, as the header describes them; differences of rows are summed up in place.
function arraysIn(buffer, described) {
  const found = {};
  for (const [name, { dtype, shape, offset, delta }] of Object.entries(described)) {
    const count = shape.reduce((n, size) => n * size, 1);
    const Type = TYPES[dtype];
    if (delta) {
      const words = new INTEGERS[Type.BYTES_PER_ELEMENT](buffer, offset, count);
      for (let row = count / shape[0], i = row; i < count; i++) words[i] += words[i - row];
    }
    found[name] = new Type(buffer, offset, count);
  }
  return found;
}

class Player {
  constructor(element) {
    this.element = element;
    this.frame = 0;
    this.speed = 1;
    this.playing = false;
    this.asked = []; // of it before it was there
    this.ready = this.start().catch((error) => this.fail(error));
  }

  async start() {
    const text = (name) => this.element.querySelector(`script.rt-${name}`).textContent;
    this.header = JSON.parse(text("header"));
    if (typeof DecompressionStream === "undefined")
      throw new Error("this browser is too old for the 3D view: it has no DecompressionStream");
    const commands = new Uint8Array(await inflate(bytesOf(text("scene"))));
    this.live = this.header.live || null;
    if (!this.live) {
      this.playback = this.header.playback;
      this.arrays = arraysIn(await inflate(bytesOf(text("frames"))), this.playback.arrays);
    }
    const picture = this.element.querySelector(".rt-picture");
    this.stage = new Stage(picture, this.header, commands);
    this.overlay = new Overlay(this, this.header);
    this.listen();
    this.applyTheme();
    this.stage.look(this.header.camera || this.header.presets[0].name);
    if (this.live) await new Promise((shown) => connect(this, shown));
    else this.showRow(this.header.frame ?? 0);
    this.there = true;
    for (const act of this.asked.splice(0)) act();
    this.readHash(); // draws it
    this.element.classList.add("rt-ready");
  }

  get frames() {
    return this.live ? 1 : this.playback.rows;
  }

  get rate() {
    return this.live ? NaN : this.playback.rate;
  }

  // The demonstration's own number of a row.
  source(frame = this.frame) {
    return this.live ? frame : this.playback.frames[frame];
  }

  // Does it now, or once there is something to do it with.
  soon(act) {
    if (this.there) act();
    else this.asked.push(act);
  }

  seek(frame) {
    this.soon(() => {
      this.pause();
      if (!this.live) this.showRow(frame);
    });
  }

  seekSource(number) {
    this.soon(() => {
      if (this.live) return;
      const { frames } = this.playback;
      this.seek(frames.reduce((best, value, i) =>
        Math.abs(value - number) < Math.abs(frames[best] - number) ? i : best, 0));
    });
  }

  step(count) {
    this.soon(() => this.seek(this.frame + count));
  }

  play() {
    this.soon(() => this.run());
  }

  run() {
    if (this.playing || this.live || this.frames < 2) return;
    if (this.frame === this.frames - 1) this.showRow(0);
    this.playing = true;
    this.overlay.showPlaying();
    let [before, place] = [performance.now(), this.frame];
    const tick = () => {
      if (!this.playing) return;
      const now = performance.now(); // the time drawing is asked for at may be another, under load
      place = Math.min(place + ((now - before) / 1000) * this.rate * this.speed, this.frames - 1);
      before = now;
      if (Math.floor(place) !== this.frame) this.showRow(Math.floor(place));
      if (place === this.frames - 1) this.pause();
      else requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
  }

  pause() {
    this.soon(() => {
      if (!this.playing) return;
      this.playing = false;
      this.overlay.showPlaying();
    });
  }

  toggle() {
    this.soon(() => (this.playing ? this.pause() : this.play()));
  }

  camera(name) {
    this.soon(() => this.stage.look(name));
  }

  layer(name, visible) {
    this.soon(() => {
      const layers = [...this.stage.layers.keys()];
      const full = layers.find((key) => key === name || key.endsWith(`-${name}`));
      if (full === undefined) return;
      this.stage.show(full, visible);
      this.overlay.showLayers();
    });
  }

  snapshot() {
    return this.stage.snapshot();
  }

  switchTheme() {
    document.documentElement.dataset.theme = this.theme === "dark" ? "light" : "dark";
    document.dispatchEvent(new CustomEvent("retarget:theme"));
  }

  applyTheme() {
    const dark = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
    this.theme = document.documentElement.dataset.theme || dark;
    this.element.dataset.rtTheme = this.theme;
    this.stage.theme(this.theme);
  }

  showRow(frame) {
    const r = Math.max(0, Math.min(Math.round(frame) || 0, this.frames - 1));
    this.frame = r;
    const { rate, stride, frames, vertex_scale: scale, vertex_offset: offset } = this.playback;
    this.stage.apply(this.arrays, r, scale, offset);
    const range = frames.length > 1 ? ` of ${frames[0]}–${frames[frames.length - 1]}` : "";
    const seconds = frames[r] / (rate * stride);
    this.overlay.showFrame(this.arrays, r, `frame ${frames[r]}${range} · ${seconds.toFixed(2)} s`);
    this.announce();
  }

  showLive(arrays) {
    this.arrays = arrays;
    this.frame = arrays.number[0];
    this.stage.apply(arrays, 0, 1, [0, 0, 0]);
    this.overlay.showFrame(arrays, 0, this.frame < 0 ? "waiting for frames" : `frame ${this.frame}`);
    this.announce();
  }

  announce() {
    const detail = { frame: this.frame, source: this.source() };
    this.element.dispatchEvent(new CustomEvent("retarget:frame", { bubbles: true, detail }));
  }

  // #frame=10&camera=left&hide=floor,camera&show=wrists&theme=dark&ui=still&play=1
  readHash() {
    const asked = new URLSearchParams(location.hash.slice(1));
    const named = (key) => (asked.get(key) || "").split(",").filter((name) => name);
    if (asked.has("frame") && !this.live) {
      this.seekSource(Number(asked.get("frame")));
      if (!this.header.whole) this.element.scrollIntoView({ block: "center" });
    }
    if (asked.has("camera")) this.camera(asked.get("camera"));
    if (["light", "dark"].includes(asked.get("theme"))) {
      document.documentElement.dataset.theme = asked.get("theme");
      this.applyTheme();
    }
    for (const name of named("hide")) this.layer(name, false);
    for (const name of named("show")) this.layer(name, true);
    if (asked.has("ui")) this.element.dataset.rtUi = asked.get("ui");
    this.stage.resize(); // with fewer cards there may be more room
    if (asked.get("play") === "1") this.play();
  }

  listen() {
    const { element, stage } = this;
    new MutationObserver(() => this.applyTheme())
      .observe(document.documentElement, { attributeFilter: ["data-theme"] });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.applyTheme());
    addEventListener("hashchange", () => this.readHash());
    const print = element.querySelector(".rt-print"); // paper shows no canvas
    addEventListener("beforeprint", () => (print.src = this.snapshot()));
    // keys are the page's where it has nothing else, and the player's once it is clicked on
    (this.header.whole ? document : element).addEventListener("keydown", (event) => this.key(event));
    if (this.header.whole) return;
    // so does the wheel: a page that holds a player scrolls on over it
    stage.viewer.controls.enableZoom = false;
    element.addEventListener("focusin", () => (stage.viewer.controls.enableZoom = true));
    element.addEventListener("focusout", () => (stage.viewer.controls.enableZoom = false));
    element.addEventListener("pointerdown", () => element.focus({ preventScroll: true }));
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.tagName === "SELECT") return;
    const far = event.shiftKey ? 10 : 1;
    const acts = {
      ArrowRight: () => this.step(far),
      ArrowLeft: () => this.step(-far),
      Home: () => this.seek(0),
      End: () => this.seek(this.frames - 1),
      " ": () => this.toggle(),
      t: () => this.switchTheme(),
    };
    this.header.presets.forEach((preset, i) => (acts[i + 1] = () => this.camera(preset.name)));
    const act = acts[event.key];
    // space on a focused button or box is that control's own
    const own = event.key === " " && /BUTTON|INPUT|SUMMARY/.test(event.target.tagName)
      && event.target.type !== "range";
    if (!act || own) return;
    event.preventDefault();
    act();
  }

  fail(error) {
    const webgl = /WebGL/.test(String(error));
    const said = webgl ? "the 3D view needs WebGL, which this browser does not offer" : error.message;
    const message = make("p", "rt-message", said);
    message.setAttribute("role", "alert");
    this.element.append(message);
    console.error(error);
    throw error;
  }
}
