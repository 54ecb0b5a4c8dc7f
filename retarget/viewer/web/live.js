// Live frames: one in flight at a time, the next is asked for when this one has been drawn.

const RETRY = 2000; // ms between attempts to reach a viewer that has gone

function connect(player, shown) {
  const { live } = player;
  const address = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/live`;
  const socket = new WebSocket(address);
  socket.binaryType = "arraybuffer";
  const state = (name, words) => {
    player.element.dataset.rtLive = name;
    player.overlay.title.textContent = `${player.header.title} · ${words}`;
  };
  socket.onopen = () => state("open", "live");
  socket.onmessage = ({ data }) => {
    if (typeof data === "string") {
      // another viewer serves this address now: its scene may be another robot's
      if (data !== live.scene) location.reload();
      return;
    }
    player.showLive(arraysIn(data, live.arrays));
    shown();
    // asked for after drawing, so a hidden or slow page is sent no more than it shows
    requestAnimationFrame(() => socket.readyState === WebSocket.OPEN && socket.send("next"));
  };
  socket.onclose = () => {
    state("closed", "not connected");
    setTimeout(() => connect(player, shown), RETRY);
  };
}
