(function () {
  "use strict";
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const touched = window.matchMedia("(pointer: coarse)").matches;
  // The library's own set of buttons has one that uploads a figure, and so these are named one by one.
  const config = {
    responsive: true,
    displaylogo: false,
    displayModeBar: touched ? false : "hover",
    modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]],
    showSendToCloud: false,
    plotlyServerURL: "",
  };

  function themed(layout) {
    const css = window.getComputedStyle(document.documentElement);
    const colour = (name) => css.getPropertyValue(name).trim();
    const change = {
      "font.color": colour("--ink"),
      "paper_bgcolor": colour("--paper"),
      "plot_bgcolor": colour("--paper"),
      "hoverlabel.bgcolor": colour("--card"),
      "hoverlabel.bordercolor": colour("--faint"),
      "hoverlabel.font.color": colour("--ink"),
    };
    for (const name of Object.keys(layout)) {
      if (/^[xy]axis[0-9]*$/.test(name)) {
        change[name + ".gridcolor"] = colour("--rule");
        change[name + ".zerolinecolor"] = colour("--faint");
        change[name + ".linecolor"] = colour("--rule");
      }
    }
    return change;
  }

  function put(layout, change) {
    for (const [path, value] of Object.entries(change)) {
      const names = path.split(".");
      let at = layout;
      for (const name of names.slice(0, -1)) {
        at = at[name] = at[name] || {};
      }
      at[names[names.length - 1]] = value;
    }
  }

  for (const [name, figure] of Object.entries(figures)) {
    const layout = figure.layout;
    layout.autosize = true;
    layout.font = { family: window.getComputedStyle(document.body).fontFamily, size: 12 };
    layout.dragmode = touched ? false : "zoom";
    put(layout, themed(layout));
    if (touched) {
      for (const axis of Object.keys(layout).filter((key) => /^[xy]axis[0-9]*$/.test(key))) {
        layout[axis].fixedrange = true;
      }
    }
    Plotly.newPlot(name, figure.data, layout, config);
  }
  function repaint() {
    for (const name of Object.keys(figures)) {
      Plotly.relayout(name, themed(document.getElementById(name).layout));
    }
  }
  dark.addEventListener("change", repaint);
  for (const [event, printed] of [["beforeprint", true], ["afterprint", false]]) {
    window.addEventListener(event, function () {
      document.documentElement.classList.toggle("printed", printed);
      repaint();
    });
  }
})();
