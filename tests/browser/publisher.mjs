/** A page that publishes by WebRTC, with the clock of source.mjs in its picture and a beep at each full second. */

import { BITS, HEIGHT, WIDTH } from "./source.mjs";

/** @typedef {import("playwright-core").Page} Page */

/** Begins to publish, from an otherwise empty page of the server; the statuses of its requests, of which the last is 201.
 * @param {Page} page @param {string} origin @param {string} name */
export async function publish(page, origin, name) {
  await page.goto(`${origin}healthz`);
  return page.evaluate(
    async ({ url, bits, width, height }) => {
      const canvas = document.createElement("canvas");
      [canvas.width, canvas.height] = [width, height];
      const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
      const audio = new AudioContext();
      const [tone, gain, sound] = [audio.createOscillator(), audio.createGain(), audio.createMediaStreamDestination()];
      tone.connect(gain).connect(sound);
      gain.gain.value = 0;
      tone.start();
      let [second, drawn] = [0, 0];
      setInterval(() => {
        const now = Date.now();
        if (Math.floor(now / 1000) !== second && second > 0) {
          gain.gain.setValueAtTime(1, audio.currentTime);
          gain.gain.setValueAtTime(0, audio.currentTime + 0.2);
        }
        second = Math.floor(now / 1000);
        if (now - drawn < 38) return;
        drawn = now;
        context.fillStyle = `hsl(${Math.floor(now / 20) % 360} 40% 40%)`;
        context.fillRect(0, 0, width, height);
        for (let bit = 0; bit < bits; bit += 1) {
          context.fillStyle = Math.floor(now / 2 ** bit) % 2 === 1 ? "white" : "black";
          context.fillRect((bit * width) / bits, height - 32, width / bits, 32);
        }
      }, 4);
      const peer = new RTCPeerConnection();
      for (const track of [...canvas.captureStream(25).getTracks(), ...sound.stream.getTracks()]) peer.addTransceiver(track, { direction: "sendonly" });
      await peer.setLocalDescription();
      /** @type {number[]} */
      const statuses = [];
      for (;;) {
        const answer = await fetch(url, { method: "POST", headers: { "Content-Type": "application/sdp" }, body: peer.localDescription?.sdp ?? "" });
        statuses.push(answer.status);
        if (answer.status === 201) {
          await peer.setRemoteDescription({ type: "answer", sdp: await answer.text() });
          window.publishing = { peer, session: new URL(answer.headers.get("Location") ?? "", url).href };
          return statuses;
        }
        // Somebody is still taken for the publisher.
        if (answer.status !== 409) throw new Error(`${answer.status} ${await answer.text()}`);
        await new Promise((resolve) => setTimeout(resolve, 500));
      }
    },
    { url: `${origin}whip/${name}`, bits: BITS, width: WIDTH, height: HEIGHT },
  );
}
