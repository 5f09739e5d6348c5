// Takes files by drag and drop or by choice, and sends them to the HTTP API with progress.
// The files never pass through the page's own socket; XMLHttpRequest, because fetch tells no upload progress.

export default {
  template: `
    <div class="ob-drop" :class="{'ob-drop--over': over}" @dragover.prevent="over = true" @dragleave="over = false"
         @drop.prevent="dropped">
      <span class="q-icon material-icons-outlined ob-drop__icon" aria-hidden="true">upload_file</span>
      <p class="ob-drop__text">
        <span class="ob-drop__wide">Drop files here, or </span>
        <label class="ob-drop__choose">choose files
          <input class="ob-visually-hidden" type="file" multiple @change="chosen">
        </label>
      </p>
      <p class="ob-small ob-muted">PDF, Word, Excel, PowerPoint, Markdown, HTML, mail, code and more. They stay on this machine.</p>
      <div v-if="total" class="ob-drop__progress" role="status">
        <div class="ob-row ob-spread ob-small">
          <span>{{ label }}</span>
          <button type="button" class="ob-button ob-button--quiet ob-button--small" @click="stop">Stop</button>
        </div>
        <div class="ob-progress" role="progressbar" :aria-valuenow="percent" aria-label="Upload">
          <div class="ob-progress__bar" :style="{width: percent + '%'}"></div>
        </div>
      </div>
    </div>`,
  props: { address: String },
  data: () => ({ over: false, sent: 0, total: 0, count: 0, began: 0, request: null }),
  computed: {
    percent() { return this.total ? Math.round((100 * this.sent) / this.total) : 0; },
    label() {
      const files = this.count === 1 ? "1 file" : `${this.count} files`;
      const seconds = (performance.now() - this.began) / 1000;
      const left = this.sent && seconds > 1 ? Math.round((seconds * (this.total - this.sent)) / this.sent) : null;
      return `Sending ${files}: ${this.percent} %${left ? `, ${left} s left` : ""}`;
    },
  },
  methods: {
    dropped(event) { this.over = false; this.send([...event.dataTransfer.files]); },
    chosen(event) { this.send([...event.target.files]); event.target.value = ""; },
    stop() { if (this.request) this.request.abort(); },
    send(files) {
      if (!files.length || this.request) return;
      const form = new FormData();
      for (const file of files) form.append("files", file, file.name);
      const request = new XMLHttpRequest();
      this.request = request;
      this.count = files.length;
      this.sent = 0;
      this.total = files.reduce((sum, file) => sum + file.size, 0) || 1;
      this.began = performance.now();
      request.upload.onprogress = (event) => { this.sent = event.loaded; this.total = event.total || this.total; };
      request.onload = () => this.ended(request);
      request.onerror = () => this.ended(request);
      request.onabort = () => { this.clear(); this.$emit("stopped"); };
      request.open("POST", this.address);
      request.send(form);
    },
    ended(request) {
      this.clear();
      let reply = {};
      try { reply = JSON.parse(request.responseText); } catch { /* a reply without JSON is told by its status */ }
      if (request.status >= 200 && request.status < 300) this.$emit("sent", reply);
      else this.$emit("refused", reply.detail || (request.status ? `The server answered ${request.status}.` : "The server cannot be reached."));
    },
    clear() { this.request = null; this.total = 0; },
  },
};
