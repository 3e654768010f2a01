// Counts down between two updates, says changes of state to screen readers, lets the finished video
// take the place of the live one, plays what goes on from there, keeps the link current.
() => {
  const voice = document.createElement("div");
  voice.className = "sr-only";
  voice.setAttribute("aria-live", "polite");
  voice.setAttribute("role", "status");
  document.body.append(voice);

  const duration = (seconds) => {
    const whole = Math.round(seconds);
    if (whole === 0) return "now";
    const two = (number) => String(number).padStart(2, "0");
    if (whole < 60) return `${whole} s`;
    if (whole < 3600) return `${Math.floor(whole / 60)}:${two(whole % 60)} min`;
    return `${Math.floor(whole / 3600)}:${two(Math.floor((whole % 3600) / 60))} h`;
  };

  // A live player goes when it has stood still after the end: at its last frame, or paused.
  const moments = new Map(); // by screen: [time shown, since when]
  setInterval(() => {
    const hasEnded =
      document.querySelector(".status.finished, .status.stopped, .status.failed") !== null;
    for (const screen of document.querySelectorAll(".screen")) {
      const time = screen.querySelector(".live video")?.currentTime ?? 0;
      const before = moments.get(screen.id);
      if (time !== before?.[0]) moments.set(screen.id, [time, performance.now()]);
      const hasResult = hasEnded && screen.querySelector(".result video") !== null;
      const isPlaying = performance.now() - moments.get(screen.id)[1] < 1500 && time > 0;
      screen.classList.toggle("watching", hasResult && isPlaying);
      screen.classList.toggle("over", hasResult && !isPlaying);
    }
  }, 200);

  // A run that goes on is played from there, once, and not from its start again. So is a file that
  // another one replaces, which shows the same run for longer.
  const starts = new WeakMap(); // by video: seconds
  const reached = new Map(); // by screen: [the run and where it went on, seconds]
  const startOf = (screen) => {
    const both = document.querySelector("#status [data-starts]")?.dataset.starts.split(" ");
    return Number(both?.[screen.id === "refined-screen" ? 1 : 0] ?? 0);
  };
  const turnOf = (screen) =>
    `${new URLSearchParams(window.location.search).get("run")} ${startOf(screen)}`;
  const whenSeen = (event) => {
    const screen = event.target.closest?.(".growing")?.closest(".screen");
    const { currentTime } = event.target;
    if (screen && currentTime > 0) reached.set(screen.id, [turnOf(screen), currentTime]);
  };
  document.addEventListener("timeupdate", whenSeen, true);
  const whenLoaded = (event) => {
    const video = event.target;
    if (!video.closest?.(".live")) return;
    if (event.type === "loadedmetadata") {
      const screen = video.closest(".screen");
      const [turn, seconds] = reached.get(screen.id) ?? [null, 0];
      const isLonger = turn === turnOf(screen) && seconds < video.duration;
      starts.set(video, isLonger ? seconds : startOf(screen));
    }
    const start = starts.get(video) ?? 0;
    const { seekable } = video;
    if (start > 0 && seekable.length > 0 && seekable.end(seekable.length - 1) >= start) {
      starts.delete(video);
      video.currentTime = start;
    }
  };
  for (const kind of ["loadedmetadata", "durationchange", "progress"]) {
    document.addEventListener(kind, whenLoaded, true);
  }

  setInterval(() => {
    const status = document.querySelector("#status [data-announce]");
    if (status && voice.textContent !== status.dataset.announce) {
      voice.textContent = status.dataset.announce;
    }
    for (const span of document.querySelectorAll("[data-countdown]")) {
      const left = Math.max(0, Number(span.dataset.countdown) - 1);
      span.dataset.countdown = left;
      span.textContent = duration(left);
    }
  }, 1000);

  // A click on a chunk lets the finished video jump there; a live one only has what it has loaded.
  document.addEventListener("click", (event) => {
    const chunk = event.target.closest?.("[data-time]");
    if (!chunk) return;
    for (const video of document.querySelectorAll(".result video, .live video")) {
      const time = Number(chunk.dataset.time);
      if (time < video.duration) video.currentTime = time;
    }
  });

  // A double click asks for one video.
  let asked = -Infinity;
  document.addEventListener(
    "click",
    (event) => {
      if (!event.target.closest?.("#generate")) return;
      if (performance.now() - asked < 700) event.stopPropagation();
      else asked = performance.now();
    },
    true,
  );

  // Ids of the videos that this browser has made or seen, the newest first, the same in all tabs.
  const KNOWN = "longtake-runs";
  const known = () => {
    try {
      const ids = JSON.parse(localStorage.getItem(KNOWN) ?? "[]");
      return Array.isArray(ids) ? ids : [];
    } catch {
      return [];
    }
  };
  const keep = (ids) => {
    try {
      localStorage.setItem(KNOWN, JSON.stringify(ids.slice(0, 500)));
    } catch {
      // A browser that keeps nothing has a history until it is closed: the one of its links.
    }
  };

  window.longtake = {
    known,
    // A reload, a bookmark or a copied link come back to the run that is shown. Gives its link.
    remember(id) {
      const link = new URL(window.location);
      if (id) link.searchParams.delete("new");
      if (id) link.searchParams.set("run", id);
      else link.searchParams.delete("run");
      history.replaceState(history.state, "", link);
      if (!id) return "";
      longtake.keep(id);
      return `${link.origin}${link.pathname}?run=${id}`;
    },
    // A run that is found among "Your videos". Gives its id.
    keep(id) {
      if (id) keep([id, ...known().filter((other) => other !== id)]);
      return id;
    },
    // A run that was deleted.
    leave(id) {
      keep(known().filter((other) => other !== id));
      const link = new URL(window.location);
      link.searchParams.delete("run");
      window.location.assign(link);
    },
  };
}
