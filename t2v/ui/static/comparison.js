// Runs once for the comparison; `element` comes from gradio. Both players follow one button and one
// slider. A vote is one small request.
const players = () => [...element.querySelectorAll(".pair video")];
const longest = () => players().reduce((a, b) => ((b.duration || 0) > (a.duration || 0) ? b : a));
let isSeeking = false;

const setPlaying = (isPlaying) => {
  element.querySelector("[data-play]")?.setAttribute("aria-pressed", String(isPlaying));
  for (const video of players()) {
    if (isPlaying) video.play().catch(() => {});
    else video.pause();
  }
};
const seek = (share) => {
  const seconds = share * (longest().duration || 0);
  for (const video of players()) video.currentTime = Math.min(seconds, Math.max(0, video.duration - 0.05));
};
// The longer video leads; the other one stays at its last frame once it is over.
setInterval(() => {
  if (players().length < 2) return;
  const leader = longest();
  for (const video of players()) {
    video.loop = video === leader;
    const isLate = Math.abs(video.currentTime - leader.currentTime) > 0.08;
    if (video !== leader && isLate && leader.currentTime < video.duration) {
      video.currentTime = leader.currentTime;
      if (!leader.paused && video.paused) video.play().catch(() => {});
    }
  }
  const slider = element.querySelector(".transport input");
  if (!isSeeking && leader.duration) slider.value = String((1000 * leader.currentTime) / leader.duration);
}, 120);

// Returns the comparison as it is shown after the vote.
const send = async (token, choice) => {
  const answer = await fetch("gradio_api/run/vote", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ data: [token, choice] }),
  });
  const { data, error } = await answer.json();
  if (!answer.ok) throw Object.assign(new Error(), { sentence: error });
  return data[0].html;
};
const vote = async (root, choice) => {
  const buttons = root.querySelectorAll("[data-vote]");
  const problem = root.querySelector(".problem");
  for (const button of buttons) button.disabled = true;
  problem.textContent = "";
  try {
    root.outerHTML = await send(root.dataset.token, choice);
  } catch ({ sentence }) {
    problem.textContent = sentence ?? problem.dataset.silent; // the server does not answer
  } finally {
    for (const button of buttons) button.disabled = false;
  }
};

element.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if ("play" in button.dataset) setPlaying(button.getAttribute("aria-pressed") !== "true");
  if (button.dataset.vote) vote(button.closest("[data-token]"), button.dataset.vote);
});
element.addEventListener("input", (event) => {
  isSeeking = true;
  seek(Number(event.target.value) / 1000);
});
element.addEventListener("change", () => (isSeeking = false));
