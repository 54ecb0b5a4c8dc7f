// Starts every player of the document and gives them their names; called again after a page adds one.

window.retargetPlayers = {};
function startPlayers() {
  for (const element of document.querySelectorAll(".rt-player")) {
    if (window.retargetPlayers[element.id]) continue;
    const player = new Player(element);
    player.ready.catch(() => {}); // the page says so already
    window.retargetPlayers[element.id] = player;
    window.retargetPlayer ??= player;
  }
  document.dispatchEvent(new CustomEvent("retarget:players"));
}
window.retargetStartPlayers = startPlayers;
if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", startPlayers);
else startPlayers();
