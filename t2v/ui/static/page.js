// Countdowns between two updates, announcements for screen readers, the change from the live to the
// finished video, playback of continued runs, the link of the run, and the known runs.
() => {
  const voice = document.createElement("div");
  voice.className = "sr-only";
  voice.setAttribute("aria-live", "polite");
  voice.setAttribute("role", "status");
  document.body.append(voice);

  // The server has chosen the language of the page. Gradio names that of the browser instead, and has
  // texts of its own in it.
  const header = () => document.querySelector("#header [data-texts]");
  const nameLanguage = () => {
    const language = header()?.dataset.language;
    const root = document.documentElement;
    if (language && root.lang !== language) root.lang = language;
  };
  new MutationObserver(nameLanguage).observe(document.documentElement, { attributeFilter: ["lang"] });
  nameLanguage();
  const tr = (english, values = {}) => {
    const texts = JSON.parse(header()?.dataset.texts ?? "{}");
    return (texts[english] ?? english).replace(/{(\w+)}/g, (_, name) => values[name]);
  };

  // What page.css shows on screens without a video, as soon as the page says it in its language.
  let hasTexts = false;
  const setTexts = () => {
    if (hasTexts || !header()) return;
    hasTexts = true;
    const texts = {
      "--live-text": tr("Your video plays here while it is being made."),
      "--refined-text": tr("The refined video follows here."),
      "--opening-text": tr("Opening the video…"),
    };
    for (const [name, text] of Object.entries(texts)) {
      document.documentElement.style.setProperty(name, JSON.stringify(text));
    }
  };
  setTexts();

  const duration = (seconds) => {
    const whole = Math.round(seconds);
    if (whole === 0) return tr("now");
    const two = (number) => String(number).padStart(2, "0");
    if (whole < 60) return tr("{n} s", { n: whole });
    const [large, small] = whole < 3600 ? [whole / 60, whole % 60] : [whole / 3600, (whole % 3600) / 60];
    const n = `${Math.floor(large)}:${two(Math.floor(small))}`;
    return whole < 3600 ? tr("{n} min", { n }) : tr("{n} h", { n });
  };

  // Until the run of a link is here, the page does not show what a new one does.
  const opening = (isOpening) => document.documentElement.classList.toggle("opening", isOpening);
  opening(new URLSearchParams(window.location.search).has("run"));
  setTimeout(() => opening(false), 8000);

  const isStill = () => window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  const NEVER = { currentTime: 0, readyState: 0, buffered: [] }; // instead of a player
  const playerOf = (screen, kind) => screen.querySelector(`.${kind} video`);

  // The cover of a screen (see cover.py) goes when a player shows a frame that is newer than it.
  const newest = new WeakMap(); // by video: the latest frame that was really shown, in seconds
  const isNewer = (video, cover) => {
    const shown = newest.get(video) ?? -1;
    return video.closest(".result") ? shown >= 0 : shown >= Number(cover.dataset.until) - 0.01;
  };
  const lift = (screen) => {
    const cover = screen?.querySelector(".over-player:not(.lifted)");
    if (!cover) return;
    const videos = [...screen.querySelectorAll("video")].filter((video) => video.checkVisibility());
    if (videos.some((video) => isNewer(video, cover))) cover.classList.add("lifted");
  };
  const isShown = (video) => video.readyState >= 2 && !video.seeking;
  const followFrames = (video) => {
    if (newest.has(video)) return;
    newest.set(video, -1);
    const show = (seconds) => {
      newest.set(video, seconds);
      lift(video.closest(".screen"));
    };
    if (!video.requestVideoFrameCallback) {
      video.addEventListener("timeupdate", () => isShown(video) && show(video.currentTime - 0.1));
      return;
    }
    const onFrame = (_, { mediaTime }) => {
      show(mediaTime);
      video.requestVideoFrameCallback(onFrame);
    };
    video.requestVideoFrameCallback(onFrame);
    if (video.closest(".result") && isShown(video)) show(0); // its frame came before this
  };
  // Somebody who looks at an earlier part wants to see it.
  document.addEventListener(
    "seeking",
    ({ target: video }) => {
      const screen = video.closest?.(".screen");
      if (!screen || starts.has(video) || video.currentTime >= startOf(screen) - 0.01) return;
      screen.querySelector(".over-player")?.classList.add("lifted");
    },
    true,
  );

  // After the end, a live player is replaced when it stands still, at its last frame or paused, and
  // when its file can be shown.
  const still = new Map(); // by screen: [playback time, since when]
  const stillFor = (screen, time) => {
    if (time !== still.get(screen.id)?.[0]) still.set(screen.id, [time, performance.now()]);
    return performance.now() - still.get(screen.id)[1];
  };
  const loading = new WeakMap(); // by video: since when
  const isLoaded = (video) => {
    if (!loading.has(video)) loading.set(video, performance.now());
    return video.readyState >= 2 || performance.now() - loading.get(video) > 5000;
  };
  const choosePlayer = (screen, live, hasEnded) => {
    const result = playerOf(screen, "result");
    const isPlaying = stillFor(screen, live.currentTime) < 1500 && live.currentTime > 0;
    const isOver = hasEnded && result !== null && !isPlaying && isLoaded(result);
    screen.classList.toggle("watching", hasEnded && result !== null && !isOver);
    screen.classList.toggle("over", isOver);
    if (isOver) begin(result);
  };
  const holdExample = (screen) => {
    const example = screen.querySelector(".showcase [autoplay]");
    example?.removeAttribute("autoplay");
    example?.pause();
  };
  setInterval(() => {
    setTexts();
    const status = document.querySelector("#status .status");
    const hasEnded = status?.matches(".finished, .stopped, .failed") ?? false;
    for (const screen of document.querySelectorAll(".screen")) {
      const live = playerOf(screen, "live") ?? NEVER;
      choosePlayer(screen, live, hasEnded);
      for (const video of screen.querySelectorAll("video")) followFrames(video);
      if (isStill()) holdExample(screen);
      lift(screen);
      sayWhatIsNext(screen, live, status);
    }
  }, 200);

  // While a player waits at the end of what there is, the screen says when more comes.
  const sayWhatIsNext = (screen, live, status) => {
    const pill = screen.querySelector(".pill");
    const end = live.buffered.length > 0 ? live.buffered.end(live.buffered.length - 1) : 0;
    const isWaiting = stillFor(screen, live.currentTime) > 600 && end - live.currentTime < 0.6;
    const track = screen.id === "refined-screen" ? "refined" : "preview";
    const left = status?.matches(".running")
      ? status.querySelector(`[data-next="${track}"] [data-countdown]`)
      : null;
    pill.hidden = !(isWaiting && left);
    if (left) pill.textContent = whenIsNext(end > 0, left);
  };

  const whenIsNext = (isLater, left) => {
    const time = left.textContent;
    if (time === tr("now")) return isLater ? tr("Next part now") : tr("First part now");
    return isLater ? tr("Next part in {time}", { time }) : tr("First part in {time}", { time });
  };

  // A finished video starts by itself, once: muted, as browsers allow no other start. It loops.
  const begun = new WeakMap(); // by video: its address
  const begin = (video) => {
    if (isStill() || !video.currentSrc || begun.get(video) === video.currentSrc) return;
    begun.set(video, video.currentSrc);
    video.muted = true;
    video.play().catch(() => {}); // a browser may forbid it: the button remains
  };

  // A continued run plays from where it was continued, once, and not from its start: from its last
  // frame before that, as there is no picture at the end of what is loaded. A longer file that
  // replaces a shorter one of the same run plays from where the shorter one was.
  const starts = new WeakMap(); // by video: seconds
  const reached = new Map(); // by screen: [the run and where it was continued, seconds]
  const startOf = (screen) => {
    const { starts = "", frame = 0 } = document.querySelector("#status [data-starts]")?.dataset ?? {};
    const start = Number(starts.split(" ")[screen.id === "refined-screen" ? 1 : 0] ?? 0);
    return Math.max(0, start - Number(frame) / 2); // in the middle of that frame
  };
  const versionOf = (screen) =>
    `${new URLSearchParams(window.location.search).get("run")} ${startOf(screen)}`;
  const whenSeen = (event) => {
    const screen = event.target.closest?.(".growing")?.closest(".screen");
    const { currentTime } = event.target;
    if (screen && currentTime > 0) reached.set(screen.id, [versionOf(screen), currentTime]);
  };
  document.addEventListener("timeupdate", whenSeen, true);
  const whenLoaded = (event) => {
    const video = event.target;
    if (!video.closest?.(".live")) return;
    if (event.type === "loadedmetadata") {
      const screen = video.closest(".screen");
      const [version, seconds] = reached.get(screen.id) ?? [null, 0];
      const isLonger = version === versionOf(screen) && seconds < video.duration;
      starts.set(video, isLonger ? seconds : startOf(screen));
    }
    const start = starts.get(video) ?? 0;
    const { seekable } = video;
    if (start > 0 && seekable.length > 0 && seekable.end(seekable.length - 1) > start) {
      starts.delete(video);
      video.currentTime = start;
    }
  };
  for (const kind of ["loadedmetadata", "durationchange", "progress"]) {
    document.addEventListener(kind, whenLoaded, true);
  }

  // Names that Gradio leaves out: of players, and of the parts of the page, for screen readers.
  const nameParts = () => {
    const parts = {
      "#compose": tr("New video"),
      "#settings-column": tr("Settings"),
      "#stage": tr("Video"),
      "#history": tr("Your videos"),
    };
    for (const [selector, name] of Object.entries(parts)) {
      const part = document.querySelector(selector);
      if (!part || part.role) continue;
      part.setAttribute("role", "region");
      part.setAttribute("aria-label", name);
      const heading = document.createElement("h2");
      heading.className = "sr-only";
      heading.textContent = name;
      part.prepend(heading);
    }
    for (const video of document.querySelectorAll("video:not([aria-label])")) {
      const label = video.closest(".block")?.querySelector("[data-testid='block-label']");
      if (label) video.setAttribute("aria-label", label.textContent.trim());
    }
  };

  // Messages are read out, each once.
  const alarm = document.createElement("div");
  alarm.className = "sr-only";
  alarm.setAttribute("role", "alert");
  document.body.append(alarm);
  const readToasts = () => {
    for (const toast of document.querySelectorAll(".toast-body:not([data-read])")) {
      toast.dataset.read = "";
      alarm.textContent = toast.querySelector(".toast-text")?.textContent ?? toast.textContent;
    }
  };

  // What is typed into the prompt outlives a reload, at the same address: another link has the prompt
  // of its run. What is loaded into the form, or made, is not typed.
  const TYPED = "longtake-typed";
  const prompt = () => document.querySelector("#prompt textarea");
  const here = () => new URLSearchParams(window.location.search).get("run") ?? "";
  let typed = null;
  let generated = null; // what was typed when "Generate" was clicked: the server may refuse it
  document.addEventListener("input", (event) => {
    if (event.isTrusted && event.target === prompt()) typed = event.target.value;
  });
  window.addEventListener("pagehide", () => {
    const text = prompt()?.value;
    try {
      if (text && text === typed) sessionStorage.setItem(TYPED, JSON.stringify([here(), text]));
      else sessionStorage.removeItem(TYPED);
    } catch {
      // Without session storage, it is lost.
    }
  });
  const typedBefore = () => {
    try {
      const [run, text] = JSON.parse(sessionStorage.getItem(TYPED) ?? "[]");
      return run === here() ? text : null;
    } catch {
      return null;
    }
  };

  setInterval(() => {
    // Gradio's folded parts do not say whether they are open.
    for (const fold of document.querySelectorAll("button.label-wrap")) {
      fold.setAttribute("aria-expanded", String(fold.classList.contains("open")));
    }
    nameParts();
    readToasts();
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

  // A run that has ended may be continued by somebody else, or in another tab. Short requests leave
  // free the few connections that a browser allows to one server.
  const fetchRun = async (id) => {
    const answer = await fetch("gradio_api/run/run", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ data: [id] }),
    });
    return answer.ok ? (await answer.json()).data[0] : null; // null: it was deleted
  };
  const endedRun = () => {
    const status = document.querySelector("#status .status");
    const id = new URLSearchParams(window.location.search).get("run");
    return status?.matches(".finished, .stopped, .failed") ? id : null;
  };
  let seen = { id: null, end: "" }; // the ended run that is shown, and how it had ended
  const refreshIfContinued = async () => {
    const id = endedRun();
    if (id !== seen.id) seen = { id, end: "" };
    if (!id || document.hidden || seen.end === null) return;
    const run = await fetchRun(id);
    if (!run) {
      seen.end = null;
      return;
    }
    const end = `${run.state} ${run.seconds} ${run.num_frames} ${run.settings.config.num_chunks}`;
    const isLive = ["queued", "running"].includes(run.state);
    if (isLive || (seen.end && seen.end !== end)) document.querySelector("#refresh")?.click();
    seen = isLive ? { id: null, end: "" } : { id, end };
  };
  const keepRefreshing = () =>
    refreshIfContinued()
      .catch(() => {}) // the server does not answer
      .finally(() => setTimeout(keepRefreshing, 2000));
  keepRefreshing();

  // A click on a chunk seeks the finished video; a live one can seek only in what it has loaded.
  document.addEventListener("click", (event) => {
    const chunk = event.target.closest?.("[data-time]");
    if (!chunk) return;
    for (const video of document.querySelectorAll(".result video, .live video")) {
      const time = Number(chunk.dataset.time);
      if (time < video.duration) video.currentTime = time;
    }
  });

  // A double click generates one video.
  let lastClick = -Infinity;
  document.addEventListener(
    "click",
    (event) => {
      if (!event.target.closest?.("#generate")) return;
      if (performance.now() - lastClick < 700) {
        event.stopPropagation();
        return;
      }
      lastClick = performance.now();
      generated = typed;
      // Where the player is below the prompt, it comes into view.
      if (!window.matchMedia("(max-width: 860px)").matches) return;
      document.activeElement?.blur(); // the keyboard of a phone goes
      document.documentElement.style.overflowAnchor = "none"; // players that change keep it there
      document.querySelector("#screen")?.scrollIntoView({ block: "start" });
    },
    true,
  );

  // Ctrl+Enter in the prompt generates, Cmd+Enter too.
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    if (!event.target.closest?.("#prompt")) return;
    event.preventDefault();
    document.querySelector("#generate")?.click();
  });

  // A file that is dropped onto the player: its settings are loaded, as from the form.
  const screens = () => document.querySelector("#screens");
  const hasFile = (event) =>
    Boolean(event.target.closest?.("#screens")) && event.dataTransfer?.types.includes("Files");
  document.addEventListener("dragover", (event) => {
    const isOver = hasFile(event);
    screens()?.classList.toggle("dropping", isOver);
    if (isOver) event.preventDefault();
  });
  for (const kind of ["dragleave", "drop"]) {
    document.addEventListener(kind, () => screens()?.classList.remove("dropping"), true);
  }
  document.addEventListener("drop", (event) => {
    if (!hasFile(event)) return;
    event.preventDefault(); // the browser would open it
    const input = document.querySelector("#dropped-file input[type=file]");
    if (!input) return;
    const files = new DataTransfer();
    files.items.add(event.dataTransfer.files[0]);
    input.files = files.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  });

  // Ids of the runs that this browser has made or seen, newest first, shared by all tabs.
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
      // Without local storage, only the links in the browser's own history remain.
    }
  };

  // As `one_line` in visible_text.py makes it of what was typed, less the joiners.
  const oneLine = (text) =>
    text
      .replace(/\s*[\r\n]\s*(?=\d{1,6}(?:\s*-\s*\d{1,6})?\s*:\s)/g, " / ")
      .replace(/[\r\n\t\u0085\u2028\u2029]/g, " ")
      .replace(/[\p{Cc}\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\u{e0000}-\u{e007f}]/gu, "")
      .trim();

  const forget = (ids) => keep(known().filter((id) => !ids.includes(id)));
  const runsChanged = () => document.dispatchEvent(new Event("longtake:runs")); // see strip.js

  window.longtake = {
    known,
    // Puts back what was typed before a reload.
    retype() {
      const [box, text] = [prompt(), typedBefore()];
      if (!box || !text || typed !== null) return [];
      box.value = typed = text;
      box.dispatchEvent(new Event("input", { bubbles: true }));
      return [];
    },
    // Generates what an example has filled in, if it has a picture: it takes about as long as the
    // estimate says. Others are only filled in.
    makeExample() {
      if (document.querySelector("#examples .chosen[data-made]")) {
        document.querySelector("#generate")?.click();
      }
      return [];
    },
    // After a click in a list of runs.
    acted({ action, runs }) {
      const shown = new URLSearchParams(window.location.search).get("run");
      if (action === "delete") {
        forget(runs);
        if (runs.includes(shown)) longtake.leave(shown);
      }
      runsChanged();
    },
    // After "Delete" in the panel of a run, which may not be shown any more.
    deleted(id) {
      longtake.acted({ action: "delete", runs: [id] });
      return [];
    },
    // Whether the form has other settings than the video that is shown. `values` are the summary of
    // its run and the values of the form, in the order of `names`.
    compare(names, [run, ...values]) {
      const form = Object.fromEntries(names.map((name, index) => [name, values[index]]));
      const settings = { ...run?.settings?.config, preset: run?.settings?.preset };
      const text = (value) => (Array.isArray(value) ? value.join("x") : oneLine(String(value ?? "")));
      const isOther = (name) => name in settings && text(settings[name]) !== text(form[name]);
      const compared = names.filter((name) => name !== "seed" || !form.randomize_seed);
      const differs = Boolean(run?.settings) && compared.some(isOther);
      document.querySelector("#stage")?.classList.toggle("differs", differs);
      return [];
    },
    // Puts the run into the address: a reload, a bookmark or a copied link returns to it. Returns
    // the link.
    remember(id) {
      const isNew = id && !known().includes(id); // it is what was asked for
      if (isNew && generated !== null && typed === generated) typed = null;
      if (isNew) generated = null;
      const link = new URL(window.location);
      if (id) link.searchParams.delete("new");
      if (id) link.searchParams.set("run", id);
      else link.searchParams.delete("run");
      history.replaceState(history.state, "", link);
      if (id) longtake.keep(id);
      runsChanged();
      if (!id) return "";
      opening(false);
      return `${link.origin}${link.pathname}?run=${id}`;
    },
    // Adds a run to "Your videos". Returns its id.
    keep(id) {
      if (id) keep([id, ...known().filter((other) => other !== id)]);
      return id;
    },
    // Forgets a run that was deleted.
    leave(id) {
      forget([id]);
      const link = new URL(window.location);
      link.searchParams.delete("run");
      window.location.assign(link);
    },
  };
}
