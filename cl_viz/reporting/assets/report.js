// Draws every figure in the colours the reader's system asks for, when it comes near the window; and all for paper.
(() => {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const places = [...document.querySelectorAll("[data-figure]")];
  // On paper figures have a size of their own, so that they do not depend on the window; report.css fits them in.
  const paper = { width: 500, height: 250 };
  // Long legends and many labels above leave at least so many pixels to what is drawn.
  const least = 140;
  let theme = dark.matches ? "dark" : "light";
  let printing = false;
  const draw = (place) => {
    const drawn = figures[place.dataset.figure];
    const { data, layout } = (printing && drawn.paper) || drawn[theme];
    const size = printing ? paper : { autosize: true };
    const options = { displaylogo: false, responsive: !printing, staticPlot: printing };
    place.dataset.drawn = theme;
    place.style.height = "";
    Plotly.react(place, data, { ...layout, ...size }, options);
    const missing = least - place._fullLayout._size.h;
    if (missing > 0) {
      const height = place._fullLayout.height + missing;
      place.style.height = `${height}px`;
      Plotly.react(place, data, { ...layout, ...size, ...(printing ? { height } : {}) }, options);
    }
  };
  const seen = new IntersectionObserver(
    (entries) => {
      for (const entry of entries) {
        if (entry.isIntersecting && entry.target.dataset.drawn !== theme) draw(entry.target);
      }
    },
    { rootMargin: "600px" },
  );
  places.forEach((place) => seen.observe(place));
  const turn = () => {
    theme = dark.matches ? "dark" : "light";
    places.filter((place) => place.dataset.drawn).forEach(draw);
  };
  dark.addEventListener("change", turn);
  // Paper is light, and holds every figure and all numbers; what else is folded stays away.
  let unfolded = [];
  addEventListener("beforeprint", () => {
    [theme, printing] = ["light", true];
    places.forEach(draw);
    unfolded = [...document.querySelectorAll("details.numbers:not([open]), details.contents:not([open])")];
    unfolded.forEach((part) => (part.open = true));
  });
  addEventListener("afterprint", () => {
    printing = false;
    unfolded.forEach((part) => (part.open = false));
    turn();
  });
})();
