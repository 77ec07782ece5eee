/** How an encoder sends a live stream here, in lines to copy. Pure functions only. */

export const ENCODERS = { ffmpeg: "ffmpeg", obs: "OBS", gstreamer: "GStreamer", webrtc: "OBS by WebRTC" } as const;
export type Encoder = keyof typeof ENCODERS;

/** What goes on a command line, or into the fields of a window. */
export interface Recipe {
  words: string;
  text: string;
}

/** Where it goes. */
export interface Place {
  /** As the page has it: `https://localhost:8443`. */
  origin: string;
  /** The port of RTMP, where the server takes that. */
  rtmp: number | null;
}

/** Names that are safe in an address; what else was typed becomes a dash. */
export function streamName(typed: string): string {
  return typed.trim().replace(/[^A-Za-z0-9._]+/g, "-").replace(/^[-.]+|-+$/g, "") || "mystream";
}

export function recipe(encoder: Encoder, { origin, rtmp }: Place, name: string): Recipe {
  const url = `${origin}/ingest/${name}`;
  switch (encoder) {
    case "ffmpeg":
      return {
        words: "A key frame every second and a fragment for every frame: viewers are about a second behind. Put your own input in place of the first line.",
        text: [
          "ffmpeg -re -stream_loop -1 -i input.mp4 \\",
          "  -c:v libx264 -preset veryfast -tune zerolatency -pix_fmt yuv420p -b:v 3M \\",
          "  -force_key_frames 'expr:gte(t,n_forced)' -sc_threshold 0 -c:a aac -b:a 128k \\",
          "  -f mp4 -movflags +frag_every_frame+empty_moov+default_base_moof+delay_moov \\",
          `  ${url}`,
        ].join("\n"),
      };
    case "obs":
      if (rtmp !== null) {
        return {
          words:
            "Settings, Stream, and the key frames by Settings, Output; then Start Streaming. With the Keyframe Interval as it comes it plays too, but viewers wait up to ten seconds for their first picture. Where the stream has a key, the Stream Key is NAME~KEY.",
          text: [
            "Service:           Custom…",
            `Server:            rtmp://${new URL(origin).hostname}:${rtmp}/live`,
            `Stream Key:        ${name}`,
            "Keyframe Interval: 1 s",
            "Tune:              zerolatency",
          ].join("\n"),
        };
      }
      return {
        words: "Settings, Output, Output Mode “Advanced”, tab Recording, Type “Custom Output (FFmpeg)”; then Start Recording sends it.",
        text: [
          "FFmpeg Output Type:     Output to URL",
          `File path or URL:       ${url}`,
          "Container Format:       mp4",
          "Muxer Settings:         movflags=+frag_every_frame+empty_moov+default_base_moof+delay_moov",
          "Keyframe interval:      one second of frames (30 at 30 frames/s)",
          "Video Encoder:          libx264",
          "Video Encoder Settings: preset=veryfast tune=zerolatency sc_threshold=0",
          "Audio Encoder:          aac",
        ].join("\n"),
      };
    case "gstreamer":
      return {
        words: "A key frame every second at 30 frames/s, and fragments of 200 ms. Put your own sources in place of the test ones.",
        text: [
          "gst-launch-1.0 -q -e mp4mux name=mux fragment-duration=200 fragment-mode=dash-or-mss streamable=true ! fdsink \\",
          "  videotestsrc is-live=true ! video/x-raw,format=I420,framerate=30/1 \\",
          "  ! x264enc tune=zerolatency key-int-max=30 bitrate=3000 ! h264parse ! mux. \\",
          "  audiotestsrc is-live=true ! voaacenc ! aacparse ! mux. \\",
          `  | curl -T - ${url}`,
        ].join("\n"),
      };
    case "webrtc":
      return {
        words: "OBS 30 or newer: Settings, Stream; then Start Streaming. Key frames come as they are asked for. The token is the key of the stream, where it has one.",
        text: ["Service:      WHIP", `Server:       ${origin}/whip/${name}`, "Bearer Token: the key of the stream"].join("\n"),
      };
  }
}
