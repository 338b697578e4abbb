// Sets the colour scheme before the first paint, from a file of its own because inline scripts are forbidden here.
(function () {
  let chosen = "auto";
  try {
    chosen = localStorage.getItem("headgate-color-scheme") || "auto";
  } catch {
    // Storage is closed to us: the system's scheme it is.
  }
  const isDark = chosen === "dark" || (chosen !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.setAttribute("data-mantine-color-scheme", isDark ? "dark" : "light");
})();
