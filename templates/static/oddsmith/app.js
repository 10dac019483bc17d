"use strict";
// Draws every <div class="chart" data-source="id of a JSON script"> with uPlot, again after each htmx swap
// and whenever the reader's colour scheme changes.
(() => {
  const FORMATS = {
    usd: (v) => (v == null ? "–" : "$" + v.toLocaleString("en-GB", { maximumFractionDigits: 2 })),
    percent: (v) => (v == null ? "–" : (100 * v).toFixed(1) + " %"),
    price: (v) => (v == null ? "–" : v.toFixed(3)),
  };
  const drawn = new Map();
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  function when(seconds) {
    return new Date(seconds * 1000).toISOString().slice(0, 16).replace("T", " ") + " UTC";
  }

  function axis(format) {
    return {
      stroke: colour("--muted"),
      grid: { stroke: colour("--line"), width: 1 },
      ticks: { show: false },
      font: "11px system-ui",
      ...(format ? { values: (u, ticks) => ticks.map(format), size: 64 } : {}),
    };
  }

  function clock(u, ticks) {
    const days = ticks.length > 1 && ticks[1] - ticks[0] >= 86400;
    let shown = "";
    return ticks.map((tick) => {
      const iso = new Date(tick * 1000).toISOString();
      const day = iso.slice(5, 10);
      const label = days ? day : iso.slice(11, 16) + (day === shown ? "" : "\n" + day);
      shown = day;
      return label;
    });
  }

  // A line that does not move yet gets one percent of room, not the library's hundredfold.
  function room(u, low, high) {
    if (low !== high) return uPlot.rangeNum(low, high, 0.1, true);
    const pad = Math.abs(low ?? 0) * 0.01 || 0.01;
    return [low === 0 ? 0 : low - pad, high + pad];
  }

  function options(spec, box, readout) {
    const format = FORMATS[spec.format];
    const lines = spec.lines.map((line) => ({
      label: line.label,
      stroke: line.quiet ? "transparent" : colour(line.colour),
      width: line.quiet ? 0 : 1.75,
      fill: line.fill ? colour("--fill") : undefined,
      spanGaps: true,
      points: { show: false },
    }));
    const bands = spec.band ? [{ series: [spec.band[1], spec.band[0]].reverse(), fill: colour("--band") }] : [];
    return {
      width: box.clientWidth - 16,
      height: box.clientHeight - 10,
      tzDate: (ts) => uPlot.tzDate(new Date(ts * 1000), "Etc/UTC"),
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false } },
      scales: { x: { time: true }, y: { range: room } },
      axes: [{ ...axis(null), values: clock }, axis(format)],
      series: [{}, ...lines],
      bands,
      hooks: {
        setCursor: [
          (u) => {
            const i = u.cursor.idx;
            readout.textContent = i == null ? "" : [when(u.data[0][i])]
              .concat(spec.lines.map((l, n) => (l.quiet || u.data[n + 1][i] == null ? null : l.label + " " + format(u.data[n + 1][i]))).filter(Boolean))
              .join("  ·  ");
          },
        ],
      },
    };
  }

  function draw(box) {
    const source = document.getElementById(box.dataset.source);
    if (!source || !box.clientWidth) return;
    drawn.get(box)?.destroy();
    box.textContent = "";
    const readout = Object.assign(document.createElement("div"), { className: "readout" });
    const spec = JSON.parse(source.textContent);
    const plot = new uPlot(options(spec, box, readout), [spec.x, ...spec.lines.map((l) => l.values)], box);
    box.append(readout);
    drawn.set(box, plot);
  }

  function drawAll() {
    for (const [box, plot] of drawn) {
      if (!box.isConnected) { plot.destroy(); drawn.delete(box); }
    }
    document.querySelectorAll(".chart[data-source]").forEach(draw);
  }

  // A page that stopped refreshing says so; one whose session ended goes to the login.
  function stale(isStale) {
    const note = document.getElementById("stale");
    if (!note) return;
    if (isStale && note.hidden) note.textContent = "Not refreshed since " + new Date().toISOString().slice(11, 19) + " UTC: the server does not answer.";
    note.hidden = !isStale;
  }
  document.addEventListener("htmx:sendError", () => stale(true));
  document.addEventListener("htmx:responseError", () => stale(true));
  document.addEventListener("htmx:timeout", () => stale(true));
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (new URL(event.detail.xhr.responseURL).pathname !== location.pathname) {
      event.detail.shouldSwap = false;
      location.reload();
    } else if (event.detail.xhr.status === 200) stale(false);
  });

  let waiting;
  const soon = () => { clearTimeout(waiting); waiting = setTimeout(drawAll, 120); };
  document.addEventListener("DOMContentLoaded", drawAll);
  document.addEventListener("htmx:afterSettle", drawAll);
  window.addEventListener("resize", soon);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", soon);
})();
