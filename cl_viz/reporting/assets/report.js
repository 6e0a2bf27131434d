// Draws every figure in the colours the reader's system asks for, when it comes near the window.
(() => {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const places = [...document.querySelectorAll("[data-figure]")];
  const options = { displaylogo: false, responsive: true };
  let theme = dark.matches ? "dark" : "light";
  const draw = (place) => {
    const figure = figures[place.dataset.figure][theme];
    place.dataset.drawn = theme;
    return Plotly.react(place, figure.data, figure.layout, options);
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
  const turn = (wanted) => {
    theme = wanted;
    places.filter((place) => place.dataset.drawn).forEach(draw);
  };
  dark.addEventListener("change", () => turn(dark.matches ? "dark" : "light"));
  // Paper is light, and holds every figure.
  addEventListener("beforeprint", () => {
    theme = "light";
    places.forEach(draw);
  });
  addEventListener("afterprint", () => turn(dark.matches ? "dark" : "light"));
})();
