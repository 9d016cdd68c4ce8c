// Puts a chart that answers mouse and touch in the place of the picture that the server drew. Same numbers, same
// colours: they are read from the style sheet, so that dark pages have light lines.
"use strict";

(() => {
  const figure = document.getElementById("score-chart");
  const source = document.getElementById("plot-data");
  if (!figure || !source || typeof uPlot === "undefined") return;
  const series = JSON.parse(source.textContent).slice(0, 4);
  const entries = [...new Set(series.flatMap((each) => each.points.map((point) => point.entry)))].sort((a, b) => a - b);
  if (entries.length < 2) return; // one test is no course; the picture shows it better
  const place = new Map(entries.map((entry, number) => [entry, number]));
  const column = (each, value) => {
    const values = new Array(entries.length).fill(null);
    for (const point of each.points) values[place.get(point.entry)] = value(point);
    return values;
  };
  const limits = series.map((each) => each.limit).filter((limit) => limit !== null);
  const limit = limits.length ? Math.max(...limits) : null;
  const percent = (value) => (value === null || value === undefined ? "–" : `${(100 * value).toFixed(1)} %`);
  const target = figure.querySelector(".plot");
  const drawn = figure.querySelector(".drawn");
  const legend = figure.querySelector(".legend");
  let plot = null;

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  // The shapes of the picture, which tell the series apart without colours; `r` is half of their width.
  const symbols = [
    (path, x, y, r) => path.arc(x, y, r, 0, 2 * Math.PI),
    (path, x, y, r) => path.rect(x - r, y - r, 2 * r, 2 * r),
    (path, x, y, r) => { path.moveTo(x, y - 1.2 * r); path.lineTo(x + 1.2 * r, y + r); path.lineTo(x - 1.2 * r, y + r); },
    (path, x, y, r) => { path.moveTo(x, y - 1.3 * r); path.lineTo(x + 1.3 * r, y); path.lineTo(x, y + 1.3 * r); path.lineTo(x - 1.3 * r, y); },
  ];

  // Line, bounds and symbol of a series at one place, beside those of the others: each bar goes through its own symbol.
  const marks = (number) => ({
    hooks: {
      draw: [(u) => {
        const context = u.ctx;
        const shift = (number - (series.length - 1) / 2) * 10 * devicePixelRatio;
        const spots = series[number].points.map((point) => ({
          x: u.valToPos(place.get(point.entry), "x", true) + shift,
          y: u.valToPos(point.rate, "y", true),
          low: u.valToPos(point.lower_95, "y", true),
          high: u.valToPos(point.upper_95, "y", true),
        }));
        context.save();
        context.strokeStyle = context.fillStyle = colour(`--chart-${number + 1}`);
        context.lineWidth = 1.5 * devicePixelRatio;
        context.setLineDash([[], [8, 4], [2, 4], [10, 4, 2, 4]][number].map((each) => each * devicePixelRatio));
        context.beginPath();
        for (const spot of spots) context.lineTo(spot.x, spot.y);
        context.stroke();
        context.lineWidth = 2 * devicePixelRatio;
        context.setLineDash([]);
        for (const spot of spots) {
          context.beginPath();
          context.moveTo(spot.x, spot.low);
          context.lineTo(spot.x, spot.high);
          context.stroke();
          context.beginPath();
          symbols[number](context, spot.x, spot.y, 4 * devicePixelRatio);
          context.fill();
        }
        context.restore();
      }],
    },
  });

  const limitLine = {
    hooks: {
      draw: [(u) => {
        if (limit === null) return;
        const context = u.ctx;
        const y = u.valToPos(limit, "y", true);
        context.save();
        context.strokeStyle = context.fillStyle = colour("--chart-limit");
        context.lineWidth = 1.5 * devicePixelRatio;
        context.setLineDash([6 * devicePixelRatio, 4 * devicePixelRatio]);
        context.beginPath();
        context.moveTo(u.bbox.left, y);
        context.lineTo(u.bbox.left + u.bbox.width, y);
        context.stroke();
        context.font = `${12 * devicePixelRatio}px system-ui, sans-serif`;
        context.textAlign = "right";
        context.textBaseline = "bottom"; // uPlot leaves its own
        context.fillText(`limit ${+(100 * limit).toFixed(2)} %`, u.bbox.left + u.bbox.width - 4, y - 3 * devicePixelRatio);
        context.restore();
      }],
    },
  };

  const draw = () => {
    if (plot) plot.destroy();
    const ink = colour("--chart-ink");
    const grid = { stroke: colour("--chart-grid"), width: 1 };
    const points = series.map((each) => new Map(each.points.map((point) => [place.get(point.entry), point])));
    plot = new uPlot({
      width: target.clientWidth,
      height: 280,
      cursor: { drag: { x: false, y: false }, points: { show: false } },
      legend: { markers: { show: false } },
      scales: { x: { time: false, range: [-0.5, entries.length - 0.5] }, y: { range: [0, 1] } },
      axes: [
        { stroke: ink, grid, ticks: grid, splits: () => entries.map((_, number) => number),
          values: (_u, splits) => splits.map((each) => (Number.isInteger(each) ? `entry ${entries[each]}` : "")), space: 70 },
        { stroke: ink, grid, ticks: grid, size: 56, values: (_u, splits) => splits.map((each) => `${Math.round(100 * each)} %`) },
      ],
      series: [
        { label: "Test", value: (_u, value) => (value === null ? "–" : `entry ${entries[value]}`) },
        ...series.map((each, number) => ({
          label: each.label,
          paths: () => null, // `marks` draws them
          points: { show: false },
          value: (_u, value, _s, index) => {
            const point = index === null ? undefined : points[number].get(index);
            return point ? `${point.matches} of ${point.n} (${percent(point.lower_95)} to ${percent(point.upper_95)})` : percent(value);
          },
        })),
      ],
      plugins: [...series.map((_, number) => marks(number)), limitLine],
    }, [entries.map((_, number) => number), ...series.map((each) => column(each, (point) => point.rate))], target);
    const labels = [...target.querySelectorAll(".u-legend .u-series th")].slice(1); // the first is the test's
    labels.forEach((each, number) => each.prepend(legend.children[number].querySelector("svg").cloneNode(true)));
  };

  target.hidden = false;
  drawn.hidden = true;
  legend.hidden = true;
  draw();
  new ResizeObserver(() => { if (plot && plot.width !== target.clientWidth) plot.setSize({ width: target.clientWidth, height: 280 }); }).observe(target);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  const paper = (isPaper) => { target.hidden = isPaper; drawn.hidden = !isPaper; legend.hidden = !isPaper; };
  addEventListener("beforeprint", () => paper(true));
  addEventListener("afterprint", () => paper(false));
})();
