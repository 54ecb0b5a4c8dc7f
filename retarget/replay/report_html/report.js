// Draws the plots of the open demonstration, and keeps plots, links and 3D playback at one frame.
"use strict";
(() => {
  const PRINT_WIDTH = 700; // px of an A4 page between its margins
  const CONFIG = {
    displayModeBar: false,
    doubleClick: "reset",
    responsive: true,
  };
  const articles = [...document.querySelectorAll("article[data-demo]")];
  let open = null; // the Demo shown

  class Demo {
    constructor(article) {
      this.article = article;
      this.frames = Number(article.dataset.frames);
      this.rate = Number(article.dataset.rate);
      this.worst = Number(article.dataset.worst);
      this.frame = this.worst;
      this.drawn = [];
      this.player = null;
      this.following = this.ready = false;
    }

    // what is made only when the demonstration is first opened
    prepare() {
      if (this.figures) return;
      const data = this.article.querySelector("script.data");
      this.figures = data ? JSON.parse(data.textContent) : {};
      this.mount();
      if (!this.player) this.addScrub();
      this.seek(this.frame);
      this.drawNext([...this.article.querySelectorAll("figure.plot")]);
    }

    // one at a time, so that the page answers meanwhile
    drawNext(plots) {
      const plot = plots.shift();
      if (!plot) return;
      this.draw(plot);
      setTimeout(() => this.drawNext(plots), 0);
    }

    // the playback starts when its demonstration is first opened: browsers allow but a few at once
    mount() {
      const template = this.article.querySelector("template.player");
      if (!template || !window.retargetStartPlayers) return;
      this.article.querySelector(".view").append(template.content.cloneNode(true));
      window.retargetStartPlayers();
      this.player = window.retargetPlayers[this.article.querySelector(".rt-player").id];
      this.player.element.addEventListener("retarget:frame", (event) => {
        if (this.ready && !this.following) this.show(event.detail.source);
      });
      this.player.ready.then(() => {
        this.ready = true;
        this.seek(this.frame);
      }, () => { // no WebGL, say: the player has said so
        this.player = null;
        this.addScrub();
        this.show(this.frame);
      });
    }

    addScrub() {
      const bar = document.createElement("label");
      bar.className = "scrub";
      bar.textContent = "frame";
      this.slider = document.createElement("input");
      Object.assign(this.slider, { type: "range", min: 0, max: this.frames - 1, step: 1 });
      this.slider.addEventListener("input", () => this.seek(Number(this.slider.value)));
      bar.append(this.slider);
      this.article.querySelector(".now").after(bar);
    }

    // plots, playback and words to a frame of the file
    seek(frame) {
      const whole = Math.min(Math.max(Math.round(frame), 0), this.frames - 1);
      if (this.ready) {
        this.following = true; // the playback may have a frame near it only
        this.player.seekSource(whole);
        this.following = false;
      }
      this.show(whole);
    }

    show(frame) {
      this.frame = frame;
      const worst = frame === this.worst ? ", the worst" : "";
      this.article.querySelector(".now").textContent =
        `frame ${frame} of ${this.frames} at ${(frame / this.rate).toFixed(2)} s${worst}`;
      if (this.slider) this.slider.value = frame;
      this.drawn.forEach((canvas) => this.cursors(canvas));
    }

    draw(plot) {
      const canvas = plot.querySelector(".canvas");
      const figure = this.figures[plot.id.split("-").slice(2).join("-")];
      if (!figure || canvas.drawn) return;
      canvas.drawn = true;
      Plotly.newPlot(canvas, figure.data, figure.layout, CONFIG);
      this.drawn.push(canvas);
      canvas.on("plotly_afterplot", () => this.cursors(canvas));
      if (canvas.layout.meta.frames) {
        canvas.on("plotly_click", (event) => this.clicked(canvas, event));
        canvas.on("plotly_relayout", (change) => this.zoomed(canvas, change));
        if (this.range) Plotly.relayout(canvas, { "xaxis.range": this.range.slice() });
      }
      this.cursors(canvas);
    }

    drawAll() {
      this.article.querySelectorAll("figure.plot").forEach((plot) => this.draw(plot));
    }

    clicked(canvas, event) {
      const axis = event.points[0].xaxis;
      const at = event.event.clientX - canvas.getBoundingClientRect().left - axis._offset;
      this.seek(axis.p2d(at));
    }

    // all plots over the same frames
    zoomed(canvas, change) {
      if (this.zooming || !Object.keys(change).some((key) => /^xaxis\d*\.(range|auto)/.test(key)))
        return;
      this.zooming = true;
      this.range = canvas._fullLayout.xaxis.range.slice();
      const others = this.drawn.filter((one) => one !== canvas && one.layout.meta.frames);
      Promise.all(
        others.map((one) => Plotly.relayout(one, { "xaxis.range": this.range.slice() })),
      ).finally(() => (this.zooming = false));
    }

    // a line at the frame through every panel
    cursors(canvas) {
      const layout = canvas._fullLayout;
      if (!layout || !canvas.layout.meta.frames) return;
      const lines = (canvas.cursorLines ||= new Map());
      for (const key of Object.keys(layout).filter((name) => /^yaxis\d*$/.test(name))) {
        const y = layout[key];
        const x = layout[`xaxis${key.slice(5)}`];
        if (!x || x.visible === false) continue;
        if (!lines.has(key)) {
          const line = document.createElement("div");
          line.className = "cursor";
          canvas.append(line);
          lines.set(key, line);
        }
        const at = x.d2p(this.frame);
        const line = lines.get(key);
        line.hidden = !(at >= 0 && at <= x._length);
        line.style.left = `${x._offset + at - 0.75}px`;
        line.style.top = `${y._offset}px`;
        line.style.height = `${y._length}px`;
      }
    }
  }

  const demos = articles.map((article) => new Demo(article));

  function show(number) {
    const wanted = demos[number];
    if (!wanted || wanted === open) return;
    open = wanted;
    demos.forEach((demo) => (demo.article.hidden = demo !== wanted));
    document.querySelectorAll("tr[data-row]").forEach((row) => {
      row.classList.toggle("open", Number(row.dataset.row) === number);
    });
    wanted.prepare();
    wanted.drawn.forEach((canvas) => Plotly.Plots.resize(canvas));
  }

  // #demo=2&frame=14, either alone too
  function follow(scroll) {
    const hash = new URLSearchParams(location.hash.slice(1));
    const number = hash.has("demo") ? Number(hash.get("demo")) : demos.indexOf(open);
    show(Number.isInteger(number) && demos[number] ? number : Math.max(0, demos.indexOf(open)));
    const frame = hash.get("frame");
    if (open && frame !== null && Number.isFinite(Number(frame))) open.seek(Number(frame));
    else if (open && scroll && hash.has("demo")) open.article.scrollIntoView();
  }

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a.frame");
    if (!link || !demos[link.dataset.demo]) return;
    event.preventDefault();
    history.replaceState(null, "", link.getAttribute("href"));
    follow(false);
  });
  window.addEventListener("hashchange", () => follow(true));
  // paper is light, and as wide as paper
  let theme;
  const wear = (name) => {
    if (name === undefined) delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = name;
    if (open.ready) open.player.applyTheme(); // now: its picture is taken in a moment
  };
  window.addEventListener("beforeprint", () => {
    if (!open) return;
    theme = document.documentElement.dataset.theme;
    wear("light");
    open.drawAll();
    open.drawn.forEach((canvas) => Plotly.relayout(canvas, { width: PRINT_WIDTH }));
  });
  window.addEventListener("afterprint", () => {
    if (!open) return;
    wear(theme);
    open.drawn.forEach((canvas) => Plotly.relayout(canvas, { autosize: true, width: null }));
  });
  window.retargetReport = {
    get demo() { return demos.indexOf(open); },
    get frame() { return open ? open.frame : null; },
    seek: (frame) => open && open.seek(frame),
    drawAll: () => open && open.drawAll(),
  };
  if (document.readyState === "loading")
    document.addEventListener("DOMContentLoaded", () => follow(false));
  else follow(false);
})();
