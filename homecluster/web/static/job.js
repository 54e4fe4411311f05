"use strict";
// The running job: its figures, and the measured speed over time beside the predicted band.
(function (home) {
  home.drawJobs = function (jobs, hosts, live) {
    const e = home.element;
    document.getElementById("job-card").hidden = !live && jobs.length === 0;
    const job = jobs.find((j) => j.state === "running") ?? jobs[jobs.length - 1];
    const now = job?.live;
    document.getElementById("speed").hidden = !now || now.points.length < 2;
    home.drawHosts(job && !["failed", "stopped"].includes(job.state) ? hosts : []);
    if (!job) return home.fill("job", e("p", { class: "faint" }, "Nothing runs. Start a model: ", e("code", {}, `homecluster up --model ${home.page.plan.model.name}`)));
    home.fill("job", heading(job), job.training ? training(job.training) : now ? tiles(now, job) : "");
    if (now && now.points.length > 1) speed(now.points, job.predicted);
  };

  function heading(job) {
    const e = home.element;
    const rows = [e("p", {}, e("strong", {}, job.model), ` · ${job.id} · `, e("span", { class: job.state }, job.phase ? `${job.state}: ${job.phase}` : job.state))];
    if (job.base_url) rows.push(e("p", {}, e("code", {}, job.base_url)));
    if (job.reason) rows.push(e("p", { class: "dead" }, job.reason));
    return rows;
  }

  function tile(name, value, more) {
    const e = home.element;
    return e("div", { class: "tile" }, e("span", { class: "faint" }, name), e("span", { class: "big", "data-figure": name }, value), e("span", { class: "faint" }, more || "\u00a0"));
  }

  function training(now) {
    return home.element("div", { class: "tiles" },
      tile("step", now.step === 0 ? "–" : home.figures(now.step), now.steps === null ? "" : `of ${now.steps}`),
      tile("loss", now.loss === null ? "–" : home.figures(now.loss), ""),
      tile("samples/s", now.samples_per_s === null ? "–" : home.figures(now.samples_per_s), `predicted ${home.figures(now.predicted_samples_per_s)}`),
      tile("PCs", now.nodes.join(", "), ""));
  }

  function tiles(now, job) {
    const e = home.element;
    const load = job.predicted_requests ? `, ${job.predicted_requests} at once` : "";
    const idle = now.running === 0 && now.output_tokens_per_s === 0;
    return e("div", { class: "tiles" },
      tile("tokens/s now", home.figures(now.output_tokens_per_s), idle ? "idle: no request" : ""),
      job.predicted ? tile("predicted", home.figures(job.predicted.mid), `${home.figures(job.predicted.low)} to ${home.figures(job.predicted.high)}${load}`) : "",
      tile("first token", now.first_token_s === null ? "–" : home.seconds(now.first_token_s), job.predicted_first_token_s ? `predicted ${home.seconds(job.predicted_first_token_s.mid)}` : ""),
      tile("KV cache", now.kv_cache_ratio === null ? "–" : `${home.figures(now.kv_cache_ratio * 100)} %`, ""),
      tile("requests", String(now.running), `${now.waiting} waiting`));
  }

  function speed(points, band) {
    const times = points.map((p) => p[0]);
    const from = Math.min(...times), to = Math.max(...times); // a clock may be set back
    const accent = home.color("accent");
    const sets = [{ label: "measured", data: points.map((p) => ({ x: p[0], y: p[1] })), borderColor: accent, backgroundColor: accent, pointRadius: 0, borderWidth: 2, showLine: true }];
    if (points.some((p) => p[2] !== null)) {
      sets.push({ label: "KV cache used", yAxisID: "kv", data: points.filter((p) => p[2] !== null).map((p) => ({ x: p[0], y: p[2] * 100 })), borderColor: home.color("memory_s"), backgroundColor: home.color("memory_s"), borderDash: [2, 2], pointRadius: 0, borderWidth: 1.5, showLine: true });
    }
    if (band) {
      const edge = (label, value, fill) => ({ label, data: [{ x: from, y: value }, { x: to, y: value }], borderColor: home.see(accent, 80), backgroundColor: home.see(accent, 12), borderWidth: 1, pointRadius: 0, showLine: true, fill });
      sets.push(edge("_low", band.low, false), edge("predicted, low to high", band.high, "-1"));
    }
    home.draw("speed-chart", { type: "scatter", data: { datasets: sets }, options: {
      scales: { x: home.timeAxis(from, to), y: home.axis("tokens/s", { axis: { beginAtZero: true } }), kv: home.axis("KV cache, %", { grid: false, axis: { position: "right", min: 0, max: 100 } }) },
      plugins: { ...home.legend(), tooltip: { enabled: false } },
    } });
  }

  home.drawLog = function (lines) {
    document.getElementById("log-card").hidden = !lines || lines.length === 0;
    const log = document.getElementById("log");
    const atEnd = log.scrollTop + log.clientHeight >= log.scrollHeight - 8;
    log.textContent = home.plain((lines || []).join("\n"));
    if (atEnd) log.scrollTop = log.scrollHeight;
  };
})(window.homecluster);
