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

  const bounds = (number) => ({
    hooks: {
      draw: [(u) => {
        const context = u.ctx;
        context.save();
        context.strokeStyle = colour(`--chart-${number + 1}`);
        context.lineWidth = 2 * devicePixelRatio;
        const shift = (number - (series.length - 1) / 2) * 5 * devicePixelRatio;
        for (const point of series[number].points) {
          const x = u.valToPos(place.get(point.entry), "x", true) + shift;
          context.beginPath();
          context.moveTo(x, u.valToPos(point.lower_95, "y", true));
          context.lineTo(x, u.valToPos(point.upper_95, "y", true));
          context.stroke();
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
      cursor: { drag: { x: false, y: false } },
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
          stroke: colour(`--chart-${number + 1}`),
          width: 1.5,
          dash: [[], [8, 4], [2, 4], [10, 4, 2, 4]][number],
          points: { show: true, size: 8, fill: colour(`--chart-${number + 1}`) },
          value: (_u, value, _s, index) => {
            const point = index === null ? undefined : points[number].get(index);
            return point ? `${point.matches} of ${point.n} (${percent(point.lower_95)} to ${percent(point.upper_95)})` : percent(value);
          },
        })),
      ],
      plugins: [...series.map((_, number) => bounds(number)), limitLine],
    }, [entries.map((_, number) => number), ...series.map((each) => column(each, (point) => point.rate))], target);
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
