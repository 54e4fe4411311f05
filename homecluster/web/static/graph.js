"use strict";
// The home as a graph: PCs, the links between them coloured by what they cost this model.
// A shared medium is the one thing that it is: a hub that its PCs hang on.
(function (home) {
  const MOST_LABELS = 10;
  const MOST_IN_A_LINE = 22;
  const MOST_OF_A_NAME = 40;
  const RANK = ["unknown", "good", "fair", "costly"];
  let graph = null;
  let shape = "";

  const device = (name, memory) => name + (name.length + memory.length > MOST_IN_A_LINE ? "\n" : " · ") + memory;

  // Another PC names its devices and media: no name may shrink the picture to nothing.
  const short = (name) => home.plain(name.length > MOST_OF_A_NAME ? `${name.slice(0, MOST_OF_A_NAME - 1)}…` : name);

  function label(node) {
    const devices = home.grouped(node.devices.map((d) => device(short(d.name).replace(/^NVIDIA (GeForce )?/, ""), home.bytes(d.memory_total_bytes))));
    const state = node.health && node.health !== "alive" ? node.health.toUpperCase() : "";
    return [short(node.id), ...devices, state].filter(Boolean).join("\n");
  }

  const worse = (a, b) => (RANK.indexOf(a) > RANK.indexOf(b) ? a : b);
  const figures = (link) => `${home.seconds(link.rtt_s)} · ${home.linkRate(link.bandwidth_bytes_per_s)}`;

  // Both directions of a pair as one line, in the colour of the worse one.
  function wires(links) {
    const pairs = new Map();
    for (const link of links.filter((l) => !l.medium)) {
      const id = [link.src, link.dst].sort().join("\u0000");
      const known = pairs.get(id);
      if (!known || (link.price_s ?? 0) > (known.price_s ?? 0)) pairs.set(id, link);
    }
    return [...pairs.values()].map((l) => ({ data: { id: `link ${l.src} ${l.dst}`, source: `node ${l.src}`, target: `node ${l.dst}`, worth: l.worth, label: pairs.size > MOST_LABELS ? "" : figures(l), src: l.src, dst: l.dst } }));
  }

  function media(links) {
    return [...new Set(links.map((l) => l.medium).filter(Boolean))].flatMap((name) => {
      const of = links.filter((l) => l.medium === name);
      const slowest = of.reduce((a, b) => (a.rtt_s > b.rtt_s ? a : b));
      const spokes = [...new Set(of.flatMap((l) => [l.src, l.dst]))].map((id) => {
        const own = of.filter((l) => l.src === id || l.dst === id);
        const first = own.reduce((a, b) => ((b.price_s ?? 0) > (a.price_s ?? 0) ? b : a));
        return { data: { id: `air ${name} ${id}`, source: `medium ${name}`, target: `node ${id}`, worth: own.map((l) => l.worth).reduce(worse), label: "", src: first.src, dst: first.dst } };
      });
      return [{ data: { id: `medium ${name}`, label: `${short(name)}, shared\n${figures(slowest)}`, kind: "medium", pcs: spokes.length } }, ...spokes];
    });
  }

  function elements(cluster) {
    return [
      ...cluster.nodes.map((n) => ({ data: { id: `node ${n.id}`, label: label(n), kind: "node", health: n.health || "", few: cluster.nodes.length <= 12 ? "yes" : "" } })),
      ...media(cluster.links), ...wires(cluster.links),
    ];
  }

  function style() {
    const text = { "font-size": 11, color: home.color("ink"), "text-wrap": "wrap", "font-family": "system-ui, sans-serif" };
    const edges = RANK.map((worth) => ({
      selector: `edge[worth="${worth}"]`, style: { "line-color": home.color(worth), "line-style": worth === "unknown" ? "dashed" : "solid" },
    }));
    return [
      { selector: "node", style: { ...text, label: "data(id)", "background-color": home.color("ground"), "border-width": 2, "border-color": home.color("accent") } },
      { selector: 'node[kind="node"]', style: { label: "data(label)", shape: "round-rectangle", width: 158, height: 58, "text-valign": "center", "text-max-width": 148 } },
      { selector: 'node[kind="node"][few=""]', style: { width: 14, height: 14, "text-valign": "bottom", "font-size": 9 } },
      { selector: 'node[health="dead"], node[health="left"]', style: { "border-color": home.color("costly"), "border-style": "dashed" } },
      { selector: 'node[health="silent"], node[health="suspect"]', style: { "border-color": home.color("fair"), "border-style": "dashed" } },
      { selector: 'node[kind="medium"]', style: { label: "data(label)", shape: "ellipse", width: 130, height: 48, "text-valign": "center", "border-color": home.color("faint"), "border-width": 1, "border-style": "dashed" } },
      { selector: "edge", style: { ...text, label: "data(label)", width: 4, "curve-style": "straight", "text-background-color": home.color("card"), "text-background-opacity": 1, "text-background-padding": 3, "text-background-shape": "round-rectangle" } },
      ...edges,
    ];
  }

  // PCs on an ellipse, media among their PCs: two PCs stand left and right.
  function places(cluster, width, height) {
    const many = cluster.nodes.length > 12;
    const at = new Map();
    cluster.nodes.forEach((n, i) => {
      const turn = Math.PI + (2 * Math.PI * i) / cluster.nodes.length;
      at.set(`node ${n.id}`, { x: width / 2 + Math.cos(turn) * (width / 2 - (many ? 40 : 95)), y: height / 2 + Math.sin(turn) * (height / 2 - 45) });
    });
    const names = [...new Set(cluster.links.map((l) => l.medium).filter(Boolean))];
    names.forEach((name, i) => at.set(`medium ${name}`, { x: width / 2, y: height / 2 + (i - (names.length - 1) / 2) * 70 }));
    return at;
  }

  home.drawGraph = function (cluster) {
    const box = document.getElementById("graph");
    const wanted = elements(cluster);
    const names = wanted.map((e) => e.data.id).join("\u0001");
    box.className = cluster.nodes.length > 2 ? "" : "flat";
    if (graph === null) {
      graph = cytoscape({ container: box, elements: wanted, style: style(), layout: { name: "preset" }, maxZoom: 1.3, userZoomingEnabled: false, userPanningEnabled: false, boxSelectionEnabled: false });
      graph.on("tap", "edge", (event) => home.chooseLink(event.target.data("src"), event.target.data("dst")));
      new ResizeObserver(() => arrange(home.page.cluster)).observe(box);
      home.graph = graph;
    } else if (names !== shape) {
      graph.json({ elements: wanted });
    } else {
      for (const one of wanted) graph.getElementById(one.data.id).data(one.data);
    }
    graph.style(style());
    if (names !== shape) arrange(cluster);
    shape = names;
    home.fill("legend", ["good", "fair", "costly", "unknown"].map((worth) => home.element("li", {}, home.element("i", { class: `mark ${worth}` }), home.WORTH[worth])));
    home.fill("nodes", home.table("PCs", [{ text: "PC" }, { text: "state" }, { text: "devices" }, { text: "RAM", number: true }],
      cluster.nodes.map((n) => [
        n.id + (n.is_coordinator ? " (coordinator)" : ""),
        home.element("span", { class: n.health || "" }, n.health || "from a document"),
        home.grouped(n.devices.map((d) => d.name)).join(", "), home.bytes(n.ram_bytes),
      ])));
  };

  function arrange(cluster) {
    graph.resize();
    // A small screen gets the same picture, smaller.
    const width = Math.max(540, graph.width());
    const height = Math.max(cluster.nodes.length > 2 ? 270 : 120, graph.height());
    for (const [id, place] of places(cluster, width, height)) graph.getElementById(id).position(place);
    graph.fit(undefined, 12);
  }
})(window.homecluster);
