// Starts every player of the document and gives them their names.

window.retargetPlayers = {};
function startPlayers() {
  for (const element of document.querySelectorAll(".rt-player")) {
    const player = new Player(element);
    player.ready.catch(() => {}); // told on the page already
    window.retargetPlayers[element.id] = player;
    window.retargetPlayer ??= player;
  }
  document.dispatchEvent(new CustomEvent("retarget:players"));
}
if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", startPlayers);
else startPlayers();
