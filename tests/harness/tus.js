// A tus server and a tus client, for the bench of peers. Needs @tus/server, @tus/file-store and
// tus-js-client where NODE_PATH says.
//   node tus.js serve FOLDER
//   node tus.js send FOLDER STALL_SECONDS
// One PATCH per file. A file that has not moved for STALL_SECONDS is aborted, asked for its offset
// (HEAD) and gone on with, for ever.
const fs = require("fs");
const path = require("path");

const [role, folder, stall] = process.argv.slice(2);
const [host, port] = ["10.77.0.2", 1080];

if (role === "serve") {
  const { Server } = require("@tus/server");
  const { FileStore } = require("@tus/file-store");
  const server = new Server({ path: "/files", datastore: new FileStore({ directory: folder }) });
  server.listen({ host, port });
} else {
  const { Upload } = require("tus-js-client");
  const wait = (ms) => new Promise((done) => setTimeout(done, ms));
  const once = (file, known) =>
    new Promise((done) => {
      let moved = Date.now();
      const size = fs.statSync(file).size;
      const end = (whole) => {
        clearInterval(watchdog);
        done({ whole, url: upload.url || known });
      };
      const upload = new Upload(fs.createReadStream(file), {
        endpoint: `http://${host}:${port}/files`,
        uploadUrl: known,
        uploadSize: size,
        chunkSize: Infinity,
        retryDelays: null,
        onProgress: () => { moved = Date.now(); },
        onError: () => end(false),
        onSuccess: () => end(true),
      });
      const watchdog = setInterval(() => {
        if (Date.now() - moved < stall * 1000) return;
        const give_up = () => end(false);
        upload.abort().then(give_up, give_up);
      }, 200);
      upload.start();
    });
  (async () => {
    for (const name of fs.readdirSync(folder).sort()) {
      let url = null;
      for (;;) {
        const result = await once(path.join(folder, name), url);
        url = result.url;
        if (result.whole) break;
        await wait(1000);
      }
    }
    process.exit(0);
  })();
}
