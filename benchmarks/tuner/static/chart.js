// The waits of one context: histogram, survival, and the lanes in which both cue sheets lie.

import { element } from "./net.js";

const LANE = 17;
const HEIGHT = 225;

export class WaitsChart {
  constructor(overview) {
    this.kinds = overview.kinds.map((kind) => kind.name);
    this.root = document.getElementById("chart");
    this.list = document.getElementById("cues");
    this.sheets = { A: null, B: null };
    new ResizeObserver(() => this.plot?.setSize({ width: this.root.clientWidth, height: HEIGHT })).observe(this.root);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.context && this.show(this.context));
  }

  show(context) {
    this.context = context;
    this.plot?.destroy();
    const bins = context.counts.length;
    const points = context.survival.length;
    // one x axis for both: the histogram's counts stand at the middle of their bins, which lie between the curve's points
    const x = context.survival.map((_, place) => (context.shown * place) / (points - 1));
    const half = (points - 1) / bins / 2;
    const counts = x.map((_, place) => (place % (2 * half) === half ? context.counts[(place - half) / (2 * half)] : null));
    const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
    const axis = { stroke: colour("quiet"), grid: { stroke: colour("line"), width: 1 }, ticks: { show: false }, font: "11px system-ui" };
    const bars = uPlot.paths.bars({ size: [0.92, Infinity] });
    this.plot = new uPlot(
      {
        width: this.root.clientWidth,
        height: HEIGHT,
        legend: { show: false },
        cursor: { show: false },
        scales: {
          x: { time: false, range: [0, context.shown] },
          count: { range: (u, least, most) => [0, Math.max(most, 1) * 1.4] },
          share: { range: [0, 1.4] },
        },
        axes: [
          { ...axis, size: 30, values: (u, ticks) => ticks.map((tick) => `${tick} s`) },
          { ...axis, scale: "count", size: 38, grid: { show: false }, splits: (u) => whole(u.scales.count.max / 1.4) },
          { ...axis, scale: "share", side: 1, size: 44, splits: () => [0, 0.25, 0.5, 0.75, 1], values: (u, ticks) => ticks.map((t) => `${100 * t} %`) },
        ],
        series: [
          {},
          { scale: "count", fill: colour("bar"), stroke: colour("bar"), width: 0, paths: (u, s, i, j) => bars(u, s, i, j), points: { show: false } },
          { scale: "share", stroke: colour("curve"), width: 2, points: { show: false } },
        ],
        hooks: { draw: [(u) => this.lanes(u, colour)] },
      },
      [x, counts, context.survival],
      this.root,
    );
  }

  /** Take in the cue sheets of both policies. */
  setSheet(policy, sheet) {
    this.sheets[policy] = sheet;
    this.plot?.redraw(false);
    this.list.replaceChildren(
      ...Object.entries(this.sheets).filter(([, found]) => found).map(([name, found]) => {
        const cues = found.cues.filter(([, start]) => start >= 0).map(([kind, start, , , text]) => `${start.toFixed(2)} s ${this.label(kind, found.texts[text])}`);
        return element("li", {}, element("b", { class: `tag ${name.toLowerCase()}` }, name), ` ${cues.join(" · ") || "nothing"}`);
      }),
    );
  }

  label(kind, text) {
    return `${this.kinds[kind]}${text ? ` “${text}”` : ""}`;
  }

  lanes(u, colour) {
    const draw = u.ctx;
    const ratio = devicePixelRatio;
    const left = u.bbox.left;
    const width = u.bbox.width;
    draw.save();
    draw.beginPath();
    draw.rect(left, u.bbox.top, width, u.bbox.height);
    draw.clip();
    ["A", "B"].forEach((policy, row) => {
      const top = u.bbox.top + (row * (LANE + 5) + 3) * ratio;
      draw.fillStyle = colour("silence");
      draw.fillRect(left, top, width, LANE * ratio);
      const cues = [...(this.sheets[policy]?.cues ?? [])].sort((one, two) => this.isSpoken(one[0]) - this.isSpoken(two[0]));
      for (const [kind, start, end] of cues) {
        const from = u.valToPos(start, "x", true);
        const to = u.valToPos(Math.min(end, this.context.shown), "x", true);
        const thin = this.isSpoken(kind) ? 0 : LANE * 0.28 * ratio;
        draw.fillStyle = colour(this.kinds[kind]);
        draw.fillRect(from, top + thin, Math.max(2 * ratio, to - from), LANE * ratio - 2 * thin);
        draw.strokeStyle = colour(this.kinds[kind]);
        draw.lineWidth = ratio;
        draw.setLineDash([3 * ratio, 3 * ratio]);
        draw.beginPath();
        draw.moveTo(from, top + LANE * ratio);
        draw.lineTo(from, u.bbox.top + u.bbox.height);
        draw.stroke();
      }
      draw.setLineDash([]);
      draw.fillStyle = colour("ink");
      draw.font = `700 ${11 * ratio}px system-ui`;
      draw.textBaseline = "middle";
      draw.fillText(policy, left + 5 * ratio, top + (LANE / 2) * ratio);
    });
    draw.restore();
  }

  isSpoken(kind) {
    return ["backchannel", "hesitation", "phrase", "progress"].includes(this.kinds[kind]);
  }
}

/** Return at most five whole numbers from 0 to `most`. */
function whole(most) {
  const step = Math.max(1, Math.ceil(most / 4));
  return Array.from({ length: Math.floor(most / step) + 1 }, (_, place) => place * step);
}
