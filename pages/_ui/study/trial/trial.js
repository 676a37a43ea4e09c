// One trial: pictures side by side, one answer by pointer or by the keys 1, 2, 3, timed from the pictures being drawn.
// An answer is sent again until the next trial comes: the server stores the first one and ignores the rest.

const AGAIN_MS = 20000 // longer than the server waits for its database
const SLOW_MS = 700 // before it says that it is still storing
const LOOK_MS = 1000 // how often it looks whether a lost connection is back
// An answer that is not known to be stored outlives its elements: after a lost connection the page is drawn anew.
const unsent = (window.studyUnsent ??= { answer: null, where: "" })

function made(tag, className, text) {
  const element = document.createElement(tag)
  element.className = className
  if (text) element.textContent = text
  return element
}

class Trial {
  constructor(root) {
    this.root = root
    this.now = null // what is on the screen
    this.sent = null // the answer to it that is on its way
    this.blurs = 0
    this.onKey = (event) => this.key(event)
    this.onHidden = () => { if (document.hidden) this.blurs += 1 }
  }

  update(component) {
    this.component = component
    document.addEventListener("keydown", this.onKey) // the same listener twice is one
    document.addEventListener("visibilitychange", this.onHidden)
    const next = component.data
    const same = this.now && this.now.index === next.index && this.now.feedback === null && next.feedback === null
    if (!same) return this.begin(next)
    const restarted = next.session !== this.now.session
    const failed = !restarted && next.failed !== this.now.failed
    this.now = next
    if (this.sent && failed) this.release()
    else if (this.sent && restarted) this.send()
    else if (this.sent) this.wait()
  }

  async begin(next) {
    this.now = next
    this.sent = null
    this.shown = null
    if (next.feedback !== null || unsent.answer?.index !== next.index || unsent.where !== location.search) unsent.answer = null
    this.blurs = 0
    this.root.dataset.index = next.index
    delete this.root.dataset.ready
    clearTimeout(this.again)
    clearTimeout(this.slow)
    const images = next.pictures.map((picture) => Object.assign(new Image(), { src: picture.src, alt: picture.alt, draggable: false }))
    try {
      await Promise.all(images.map((image) => image.decode()))
    } catch {
      if (this.now === next) this.say("A picture could not be drawn. Reload the page; you go on at this place.")
      return
    }
    if (this.now.index !== next.index || this.now.feedback !== next.feedback) return // another one came meanwhile
    this.draw(next, images)
    // Two frames: the first is before the pictures are painted, the second after.
    requestAnimationFrame(() => requestAnimationFrame(() => this.begun(next)))
  }

  begun(next) {
    if (this.now.index !== next.index || next.feedback !== null) return
    this.shown = performance.now()
    this.root.dataset.ready = next.index
    if (unsent.answer !== null) return this.hold(unsent.answer)
    for (const button of this.root.querySelectorAll("button")) button.disabled = false
  }

  draw(next, images) {
    const pictures = this.root.querySelector(".study-pictures")
    this.root.querySelector(".study-ask").textContent = next.ask
    pictures.style.setProperty("--columns", images.length)
    pictures.replaceChildren(...next.pictures.map((picture, place) => this.picture(picture, images[place])))
    const options = next.options.map((option) => this.button(option.words, "", option.choice, option.key))
    this.root.querySelector(".study-options").replaceChildren(...options)
    this.say(next.feedback === null ? "" : next.feedback.words)
    delete this.root.dataset.waiting
  }

  picture(picture, image) {
    const pressed = picture.choice !== null
    const box = pressed ? this.button("", "study-picture", picture.choice, "") : made("div", "study-picture")
    box.classList.toggle("study-photo", picture.photo)
    if (this.now.feedback && this.now.feedback.framed.includes(picture.slot)) box.classList.add("study-right")
    const name = made("span", "study-name", picture.name)
    if (pressed) box.ariaLabel = picture.alt
    if (pressed && picture.name !== picture.key) name.append(made("kbd", "", picture.key))
    box.append(image, name)
    return box
  }

  button(words, className, choice, key) {
    const button = made("button", className, words)
    button.type = "button"
    button.disabled = true // until the pictures are drawn
    button.dataset.choice = choice
    if (key) button.append(made("kbd", "", key))
    if (this.now.feedback && this.now.feedback.choice === choice) button.classList.add("study-chosen")
    button.onpointerdown = (event) => { this.pointer = event.pointerType }
    button.onclick = (event) => this.choose(choice, event.detail === 0 ? "key" : this.pointer === "touch" ? "touch" : "pointer")
    return button
  }

  key(event) {
    const busy = event.repeat || event.ctrlKey || event.metaKey || event.altKey
    const typing = event.target.closest?.("input, textarea, select, [contenteditable], [role=dialog]")
    const open = document.querySelector('[data-testid="stPopoverBody"], [role="dialog"]')
    const choice = this.now?.keys[event.key]
    if (busy || typing || open || choice === undefined || !this.root.isConnected) return
    event.preventDefault()
    this.choose(choice, "key")
  }

  choose(choice, method) {
    if (this.sent || this.shown === null || this.now.feedback !== null) return
    const took = Math.round(performance.now() - this.shown)
    unsent.answer = { index: this.now.index, choice, rt_ms: took, method, blurs: this.blurs }
    unsent.where = location.search
    this.hold(unsent.answer)
  }

  hold(answer) {
    this.sent = answer
    for (const button of this.root.querySelectorAll("button")) {
      button.disabled = true
      button.classList.toggle("study-chosen", Number(button.dataset.choice) === answer.choice)
    }
    this.root.dataset.waiting = ""
    this.slow = setTimeout(() => this.say("Storing your answer ..."), SLOW_MS)
    this.send()
  }

  send() {
    this.component.setTriggerValue("answer", this.sent)
    this.wait()
  }

  wait() {
    clearTimeout(this.again)
    this.waited = 0
    this.lost = false
    this.again = setTimeout(() => this.look(), LOOK_MS)
  }

  // Sends again as soon as a lost connection is back, and at the latest after a while.
  look() {
    if (!this.sent || !this.root.isConnected) return
    const state = document.querySelector('[data-testid="stApp"]')?.dataset.testConnectionState
    const connected = state === undefined || state === "CONNECTED"
    this.waited += LOOK_MS
    if (connected && (this.lost || this.waited >= AGAIN_MS)) return this.send()
    this.lost = !connected
    this.again = setTimeout(() => this.look(), LOOK_MS)
  }

  // The server could not store it and says so above: the same trial may be answered again.
  release() {
    this.sent = unsent.answer = null
    clearTimeout(this.again)
    clearTimeout(this.slow)
    delete this.root.dataset.waiting
    this.say("Your answer was not stored. Please give it again.")
    for (const button of this.root.querySelectorAll("button")) {
      button.disabled = false
      button.classList.remove("study-chosen")
    }
  }

  say(words) {
    this.root.querySelector(".study-said").textContent = words
  }

  leave() {
    document.removeEventListener("keydown", this.onKey)
    document.removeEventListener("visibilitychange", this.onHidden)
    clearTimeout(this.again)
    clearTimeout(this.slow)
  }
}

const trials = new WeakMap()

export default function (component) {
  const root = component.parentElement.querySelector(".study-trial")
  if (!trials.has(root)) trials.set(root, new Trial(root))
  trials.get(root).update(component)
  return () => trials.get(root)?.leave()
}
