// The viewer: a grid of heatmaps (models x explainers) whose colours, λ, ratio and β change here, without the server.
// Python sends everything once (see payload.py); on release of a control the viewer reports its state back.

const KEPT = 600 // resampled panels, 64 kB each
const REST_MS = 120 // without a redraw, before the canvases become images

const SCALE_WORDS = {
  panel: ["each panel's own maximum", "Each panel"],
  teacher: ["the teacher's maximum of the same explainer", "Teacher's"],
  method: ["the maximum of the same explainer", "Each explainer"],
  all: ["the maximum of all panels", "All panels"],
}
const CHOICES = {
  mode: { overlay: "Overlay", heatmap: "Heatmap", contour: "Contour", masked: "Masked" },
  scale: Object.fromEntries(Object.entries(SCALE_WORDS).map(([name, words]) => [name, words[1]])),
  colours: { inferno: "Inferno", viridis: "Viridis", cividis: "Cividis" },
}
const FINE_WORDS = "maps of single pixels: at the 99th percentile of their values"
const SHARES = { opacity: ["Opacity", 0], full: ["Full colour at", 5] }
const TOGGLES = {
  smooth: "Smooth",
  signed: "Signed",
  difference: "Difference to teacher",
  outline: "Object outline",
  rows: "Models as rows",
}

const bytesOf = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0))
const number = (value) => (value === 0 ? "0" : Number(value.toPrecision(3)).toString())

function element(tag, className, text) {
  const made = document.createElement(tag)
  if (className) made.className = className
  if (text !== undefined && text !== null) made.textContent = text
  return made
}

// Touches the page only when something changed: while a slider moves, most words stay.
function write(target, text) {
  if (target.shown !== text) target.textContent = target.shown = text
}

function gridOf(cell) {
  if (!cell || cell.grid === null) return null
  if (!cell.parsed) {
    cell.parsed = { values: new Float32Array(bytesOf(cell.grid).buffer), height: cell.height, width: cell.width }
  }
  return cell.parsed
}

async function readPhoto(data) {
  const image = new Image()
  image.src = data.photo
  await image.decode()
  const canvas = document.createElement("canvas")
  canvas.width = canvas.height = data.size
  const context = canvas.getContext("2d", { willReadFrequently: true })
  context.drawImage(image, 0, 0, data.size, data.size)
  const rgba = context.getImageData(0, 0, data.size, data.size).data
  return { size: data.size, rgba, grey: grey(rgba) }
}

function readMask(data) {
  if (data.mask === null) return null
  const packed = bytesOf(data.mask)
  const mask = new Uint8Array(data.size * data.size)
  for (let i = 0; i < mask.length; i++) mask[i] = (packed[i >> 3] >> (7 - (i & 7))) & 1
  return outlineLines(mask, data.size)
}

class Viewer {
  constructor(root) {
    this.root = root
    this.turn = 0
    this.updates = 0
    this.choice = null
    this.holding = false
    this.look = null
    this.photo = null
    this.subject = null // the image that the photo shows
    this.pending = 0
    this.kept = new Map()
    this.controls = root.querySelector(".xkd-controls")
    this.grid = root.querySelector(".xkd-grid")
    this.legend = root.querySelector(".xkd-legend")
    this.open = false // are the controls of the drawing on screen?
    this.watch = new ResizeObserver(() => requestAnimationFrame(() => this.fit()))
    this.watch.observe(root.closest('[data-testid="stMainBlockContainer"]') ?? document.body)
  }

  async update(component) {
    const data = component.data
    this.component = component
    this.newest = data
    if (this.subject !== data.subject) {
      const photo = await readPhoto(data)
      if (this.newest !== data) return // a newer update came while the photo was decoded, and draws it
      Object.assign(this, { photo, lines: readMask(data), subject: data.subject })
    }
    this.take(data)
    this.build()
    this.redraw()
    this.settle()
  }

  take(data) {
    this.data = data
    this.updates += 1
    this.tables = Object.fromEntries(Object.entries(data.tables).map(([name, text]) => [name, bytesOf(text)]))
    if (this.choice === null || (data.choice.turn >= this.turn && !this.holding)) this.choice = { ...data.choice }
    if (this.look === null) this.look = { ...data.look }
    this.root.classList.toggle("xkd-talk", data.talk)
    this.root.classList.toggle("xkd-film", data.film !== null)
  }

  destroy() {
    clearTimeout(this.rest)
    this.watch.disconnect()
    cancelIdleCallback(this.idle)
    cancelAnimationFrame(this.pending)
    for (const image of this.root.querySelectorAll("img")) if (image.src.startsWith("blob:")) URL.revokeObjectURL(image.src)
  }

  // ---- controls -------------------------------------------------------------------------------------------------

  build() {
    const { layout, axes, talk, size, mask } = this.data
    const signature = JSON.stringify([layout, axes, talk, size, mask !== null])
    if (this.signature === signature) return this.showControls()
    this.signature = signature
    this.buildControls()
    this.buildGrid()
    this.showControls()
  }

  buildControls() {
    const focused = this.root.contains(document.activeElement) ? document.activeElement.dataset.name : null
    this.controls.replaceChildren()
    const sliders = element("div", "xkd-sliders")
    for (const axis of this.data.layout.sliders) sliders.append(this.axisSlider(axis))
    const drawing = this.drawingControls()
    sliders.append(this.opener(drawing))
    this.controls.append(sliders, drawing)
    if (focused) this.controls.querySelector(`[data-name="${focused}"]`)?.focus()
  }

  // How the maps are drawn stands behind one button, so that the maps themselves are on the first screen.
  drawingControls() {
    const box = element("div", "xkd-drawing")
    box.id = "xkd-drawing"
    for (const [name, options] of Object.entries(CHOICES)) box.append(this.select(name, options))
    for (const [name, [label, least]] of Object.entries(SHARES)) box.append(this.shareSlider(name, label, least))
    for (const [name, label] of Object.entries(TOGGLES)) {
      const idle = (name === "outline" && this.data.mask === null) || (name === "rows" && this.data.film !== null)
      if (!idle) box.append(this.toggle(name, label))
    }
    return box
  }

  opener(drawing) {
    const button = element("button", "xkd-opener", "Drawing")
    button.type = "button"
    button.setAttribute("aria-controls", drawing.id)
    const show = () => {
      drawing.hidden = !this.open
      button.ariaExpanded = String(this.open)
    }
    button.onclick = () => {
      this.open = !this.open
      show()
    }
    show()
    return button
  }

  range(name, label, max, read) {
    const holder = element("label", `xkd-slider xkd-slider-${name}`)
    const head = element("span", "xkd-slider-head")
    const shown = element("span", "xkd-slider-value") // not <output>: the label would name it instead of the slider
    head.append(element("span", "xkd-slider-name", label), shown)
    const input = element("input")
    Object.assign(input, { type: "range", min: 0, max, step: 1 })
    input.dataset.name = name
    // Arrow keys move the slider that has the focus; they must not also turn to the next image.
    input.onkeydown = (event) => event.stopPropagation()
    input.oninput = () => {
      this.holding = true // what comes from the server meanwhile must not move the slider under the hand
      read(Number(input.value))
      this.showControls()
      this.schedule()
    }
    for (const kind of ["pointerup", "keyup", "blur"]) input.addEventListener(kind, () => (this.holding = false))
    holder.append(head, input)
    return { holder, input }
  }

  axisSlider(axis) {
    const { holder, input } = this.range(axis.name, axis.title, axis.values.length - 1, (place) => {
      this.choice[axis.name] = axis.values[place]
    })
    input.disabled = axis.values.length < 2
    input.onchange = () => this.reportChoice()
    return holder
  }

  shareSlider(name, label, least) {
    const { holder, input } = this.range(name, label, 20, (place) => {
      this.look[name] = place * 5
    })
    input.min = least / 5
    input.onchange = () => this.reportLook()
    return holder
  }

  select(name, options) {
    const holder = element("label", "xkd-pick", { mode: "Show as", scale: "Colour scale", colours: "Colours" }[name])
    const input = element("select")
    input.dataset.name = name
    for (const [value, text] of Object.entries(options)) input.append(new Option(text, value))
    input.onkeydown = (event) => event.stopPropagation()
    input.onchange = () => this.changeLook(name, input.value)
    holder.append(input)
    return holder
  }

  toggle(name, label) {
    const holder = element("label", "xkd-toggle")
    const input = element("input")
    input.type = "checkbox"
    input.dataset.name = name
    input.onchange = () => this.changeLook(name, input.checked)
    holder.append(input, element("span", "", label))
    return holder
  }

  showControls() {
    for (const input of this.controls.querySelectorAll("[data-name]")) {
      const name = input.dataset.name
      const axis = this.data.layout.sliders.find((one) => one.name === name)
      if (axis) input.value = Math.max(0, axis.values.indexOf(this.choice[name]))
      else if (name in SHARES) input.value = Math.round(this.look[name] / 5)
      else if (input.type === "checkbox") input.checked = this.look[name]
      else input.value = this.look[name]
      if (input.type !== "range") continue
      const text = axis ? axis.texts[Number(input.value)] : `${this.look[name]} %`
      input.setAttribute("aria-valuetext", text)
      input.parentElement.querySelector(".xkd-slider-value").textContent = text
    }
  }

  changeLook(name, value) {
    this.look[name] = value
    this.showControls()
    this.schedule()
    this.reportLook()
  }

  reportLook() {
    this.component.setStateValue("look", { ...this.look })
  }

  reportChoice() {
    this.turn = Math.max(this.turn, this.choice.turn) + 1
    this.choice.turn = this.turn
    this.component.setStateValue("choice", { ...this.choice })
  }

  // ---- grid -----------------------------------------------------------------------------------------------------

  buildGrid() {
    const { rows, columns } = this.data.layout
    this.grid.replaceChildren()
    this.root.style.setProperty("--rows", rows.length)
    this.root.style.setProperty("--columns", columns.length)
    this.heads = rows.map((row, place) => this.head(row, place))
    columns.forEach((column, place) => this.grid.append(this.columnHead(column, place)))
    this.panels = rows.flatMap((row, m) => columns.map((column, x) => this.makePanel(row, column, m, x)))
    this.grid.append(...this.heads.map((head) => head.box), ...this.panels.map((panel) => panel.box))
    this.grid.onpointerleave = () => this.point(null)
  }

  head(row, place) {
    const box = element("div", `xkd-model xkd-${row.role}`)
    box.style.setProperty("--m", place + 1)
    const lines = {}
    lines.name = element("strong", "xkd-model-name", row.title)
    box.append(lines.name)
    for (const name of ["settings", "answer", "verdict", "quality"]) lines[name] = element("span", `xkd-model-${name}`)
    const says = element("span", "xkd-says")
    says.append(lines.answer, lines.verdict)
    box.append(lines.settings, says, lines.quality)
    return { box, lines, row }
  }

  columnHead(column, place) {
    const box = element("div", "xkd-method")
    box.style.setProperty("--x", place + 1)
    box.append(element("strong", "", column.title))
    if (column.note) box.append(element("span", "", column.note))
    return box
  }

  makePanel(row, column, m, x) {
    const box = element("figure", "xkd-panel")
    box.style.setProperty("--m", m + 1)
    box.style.setProperty("--x", x + 1)
    const frame = element("div", "xkd-frame")
    const image = element("img")
    image.width = image.height = this.data.size
    image.draggable = false
    const canvas = element("canvas")
    canvas.width = canvas.height = this.data.size
    canvas.ariaHidden = "true"
    const notice = element("span", "xkd-notice")
    const value = element("span", "xkd-value")
    const unit = element("span", "xkd-unit")
    frame.append(image, canvas, element("i", "xkd-across"), element("i", "xkd-down"), unit, value, notice)
    const words = element("figcaption")
    const parts = {}
    for (const name of ["score", "moved", "note", "class", "control", "badge", "detail"]) {
      parts[name] = element("span", `xkd-${name}`)
      words.append(parts[name])
    }
    box.append(frame, words)
    const role = column.role ?? row.role
    const file = canvasFile(this.data.size, this.data.size)
    frame.onpointermove = (event) => this.point(event, frame)
    return { box, frame, image, canvas, unit, notice, value, parts, row, column, role, file, drawn: "" }
  }

  // The run that a role shows; a film strip's column fixes the ratio at the present λ, ratio and β: [id, note].
  runOf(role, column) {
    const axes = this.data.axes
    const at = (name) => Math.max(0, axes[name].indexOf(column.fixed?.[name] ?? this.choice[name]))
    return this.data.where[role][at("lam")][at("ratio")][at("beta")]
  }

  cellOf(panel) {
    const [id, note] = this.runOf(panel.role, panel.column)
    return { id, note, cell: this.data.runs[id]?.cells[panel.column.method] ?? null }
  }

  // ---- drawing --------------------------------------------------------------------------------------------------

  schedule() {
    if (this.pending) return
    this.pending = requestAnimationFrame(() => {
      this.pending = 0
      this.redraw()
      clearTimeout(this.rest)
      this.rest = setTimeout(() => this.settle(), REST_MS)
    })
  }

  redraw() {
    this.root.classList.toggle("xkd-rows", (this.look.rows || this.data.film !== null) && !this.data.talk)
    const start = performance.now()
    const scales = this.scales()
    for (const head of this.heads) this.fillHead(head)
    this.panels.forEach((panel, place) => this.fillPanel(panel, scales[place], scales))
    this.drawLegend()
    this.point(null)
    this.root.dataset.drawMs = (performance.now() - start).toFixed(1)
  }

  scales() {
    const { scale, signed } = this.look
    const full = this.panels.map((panel) => {
      const grid = gridOf(this.cellOf(panel).cell)
      return grid === null ? null : fullOf(grid, signed, panel.column.fine)
    })
    const largest = (chosen) => Math.max(0, ...full.filter((value, i) => value !== null && chosen(this.panels[i])))
    return this.panels.map((panel, place) => {
      if (scale === "panel") return full[place] ?? 0
      const same = (other) => scale === "all" || other.column.method === panel.column.method
      const teacher = (other) => same(other) && other.role === "teacher"
      const known = scale === "teacher" && full.some((value, i) => value !== null && teacher(this.panels[i]))
      return largest(known ? teacher : same)
    })
  }

  // In talk mode the maps take what the words leave of the screen, so that nothing has to be scrolled.
  fit() {
    if (!this.data?.talk) return this.root.style.removeProperty("--talk-size")
    const lines = this.panels.slice(0, this.data.layout.columns.length) // of one model, one below the other
    const images = lines.reduce((sum, panel) => sum + panel.frame.offsetHeight, 0)
    const scrolled = document.querySelector('[data-testid="stMain"]')?.scrollTop ?? 0
    const top = this.root.getBoundingClientRect().top + scrolled
    const free = window.innerHeight - top - (this.root.offsetHeight - images) - 12
    this.root.style.setProperty("--talk-size", `${Math.max(96, Math.floor(free / lines.length))}px`)
  }

  fillHead(head) {
    const film = this.data.film !== null
    const fixed = this.data.layout.columns.find((column) => column.fixed) ?? {}
    const [id, note] = this.runOf(head.row.role, fixed)
    const run = this.data.runs[id]
    write(head.lines.name, run?.title ?? head.row.title) // at λ = 0 the naive student is the baseline
    write(head.lines.settings, film ? `λ ${this.choice.lam}` : [run?.settings, note].filter(Boolean).join(" · "))
    for (const name of ["answer", "verdict", "quality"]) write(head.lines[name], (!film && run?.[name]) || "")
  }

  fillPanel(panel, scale, scales) {
    const { id, cell } = this.cellOf(panel)
    const apart = this.look.difference && cell?.other === true // nothing to subtract: another class is explained
    const grid = apart ? null : gridOf(cell)
    const teacher = this.panels.findIndex((one) => one.role === "teacher" && one.column.method === panel.column.method)
    const reference = this.referenceFor(panel, teacher, scales)
    const { mode, opacity, colours, signed, outline } = this.look
    const shape = this.shapeOf(id, panel.column.method, scale, reference?.scale)
    const key = [shape, mode, opacity, colours, outline && this.lines !== null, grid === null].join("|")
    this.words(panel, scale, reference !== null, apart)
    if (panel.drawn === key && panel.grid === grid) return
    Object.assign(panel, { drawn: key, grid })
    const level = grid === null ? null : this.levelsOf(shape, grid, scale, reference)
    const lines = outline ? this.lines : null
    drawPanel(this.photo, level, this.look, signed || reference !== null, this.tables, lines, panel.file.pixels)
    this.showOnCanvas(panel)
  }

  // While a control moves, pixels go to a canvas above the <img> (ten times cheaper than a new image file) ...
  showOnCanvas(panel) {
    const pixels = new ImageData(panel.file.bytes, this.data.size, this.data.size)
    panel.canvas.getContext("2d").putImageData(pixels, 0, 0)
    panel.canvas.hidden = false
    panel.stale = true
  }

  // ... and at rest the same pixels become the <img>, which is what stays on the page.
  settle() {
    for (const panel of this.panels.filter((one) => one.stale)) {
      const old = panel.image.src
      panel.stale = false
      panel.image.onload = () => {
        panel.canvas.hidden = !panel.stale
        if (old.startsWith("blob:")) URL.revokeObjectURL(old)
      }
      panel.image.src = URL.createObjectURL(panel.file.blob())
    }
    this.root.dataset.ready = this.data.subject
    this.fit()
    this.prepare()
  }

  // In idle time, resample what a slider could show next, so that dragging only has to colour it.
  prepare() {
    cancelIdleCallback(this.idle)
    if (this.look.scale !== "panel" || this.look.difference) return
    const methods = new Map(this.panels.map((panel) => [panel.column.method, panel.column.fine]))
    const todo = Object.entries(this.data.runs).flatMap(([id, run]) =>
      [...methods].map(([name, fine]) => [id, name, fine, run.cells[name]]),
    )
    const step = (deadline) => {
      while (todo.length > 0 && deadline.timeRemaining() > 3 && this.kept.size < KEPT - 20) {
        const [id, method, fine, cell] = todo.pop()
        const grid = gridOf(cell)
        if (grid === null) continue
        const scale = fullOf(grid, this.look.signed, fine)
        this.levelsOf(this.shapeOf(id, method, scale), grid, scale, null)
      }
      if (todo.length > 0 && this.kept.size < KEPT - 20) this.idle = requestIdleCallback(step)
    }
    this.idle = requestIdleCallback(step)
  }

  shapeOf(id, method, scale, reference) {
    const { full, signed, smooth } = this.look
    return [this.data.subject, id, method, scale, full, signed, smooth, reference].join("|")
  }

  // Kept for the panels seen last, so that opacity and a second look at a run cost no resampling.
  levelsOf(shape, grid, scale, reference) {
    const kept = this.kept.get(shape)
    if (kept && kept.grid === grid) return kept.level
    if (this.kept.size >= KEPT) this.kept.clear()
    const level = panelLevels(grid, scale, this.look, this.data.size, reference)
    this.kept.set(shape, { grid, level })
    return level
  }

  referenceFor(panel, teacher, scales) {
    if (!this.look.difference || teacher < 0 || panel.role === "teacher") return null
    const grid = gridOf(this.cellOf(this.panels[teacher]).cell)
    return grid ? { grid, scale: scales[teacher] } : null
  }

  words(panel, scale, difference, apart) {
    const { id, note, cell } = this.cellOf(panel)
    const key = [this.updates, id, note, scale, difference, apart, this.look.smooth].join("|")
    if (panel.said === key) return
    panel.said = key
    const empty = cell && cell.grid !== null && scale === 0
    const run = this.data.runs[id]
    const missing = run ? (run.never[panel.column.method] ?? "not computed yet") : (this.data.lost[id] ?? "no such run")
    const waiting = run && cell ? null : missing
    const wrong = cell?.reason ?? (apart ? "other class: no difference" : empty ? "no positive evidence" : "")
    write(panel.notice, waiting ?? wrong)
    write(panel.parts.moved, cell?.moved ? "moved" : "")
    const told = [note, this.data.runs[id]?.unfinished].filter(Boolean).join(" · ") // the head of a row tells it else
    write(panel.parts.note, this.data.film !== null ? told : "")
    for (const name of ["score", "class", "control", "badge", "detail"]) write(panel.parts[name], cell?.[name] ?? "")
    panel.parts.badge.classList.toggle("xkd-trained", cell?.badge.startsWith("in the loss") ?? false)
    const unit = panel.column.fine ? "99 %" : "max"
    write(panel.unit, cell && cell.grid !== null && !difference && !apart ? `${unit} ${number(scale)}` : "")
    Object.assign(panel.box.dataset, { run: id ?? "", method: panel.column.method, role: panel.role, scale })
    panel.image.alt = cell?.alt ?? `${panel.column.title} of the ${panel.row.title}: ${waiting}`
    panel.frame.classList.toggle("xkd-pixels", !this.look.smooth)
  }

  drawLegend() {
    const { mode, opacity, scale, colours, full, signed, difference } = this.look
    const fine = this.data.layout.columns.some((column) => column.fine)
    const key = [mode, opacity, scale, colours, full, signed, difference, fine].join("|")
    if (this.legend.dataset.drawn === key) return
    this.legend.dataset.drawn = key
    const bars = [this.bar(signed, false, fine)]
    if (difference) bars.push(this.bar(true, true, false))
    this.legend.replaceChildren(...bars.map(([low, image, high]) => {
      const box = element("div", "xkd-bar")
      box.append(element("span", "", low), image, element("span", "", high))
      return box
    }))
  }

  bar(diverging, difference, fine) {
    const [width, height] = [256, 14]
    const file = canvasFile(width, height)
    colourBar(this.look, diverging, this.tables, width, height, file.pixels)
    const image = element("img")
    image.src = URL.createObjectURL(file.blob())
    const [low, high] = this.ends(diverging, difference, fine)
    image.alt = `Colour bar from ${low} to ${high}`
    return [low, image, high]
  }

  // Words at the two ends of the colour bar; masked pictures show strength as light, whatever its sign.
  ends(diverging, difference, fine) {
    const masked = this.look.mode === "masked"
    const share = this.look.full < 100 ? `${this.look.full} % of ` : ""
    const most = `${share}${SCALE_WORDS[this.look.scale][0]}${fine ? ` (${FINE_WORDS})` : ""}`
    if (difference && masked) return ["students: as the teacher", "more or less than the teacher (after scaling)"]
    if (difference) return ["students: less than the teacher", "more than the teacher (after scaling)"]
    if (diverging && masked) return ["no evidence", `evidence for or against, up to ${most}`]
    if (diverging) return ["evidence against", `evidence for, up to ${most}`]
    return ["no evidence", `full ${masked ? "light" : "colour"} = ${most}`]
  }

  // Crosshair and the value of every model at the pixel under the pointer; null hides them.
  point(event, frame) {
    const method = event ? this.panels.find((panel) => panel.frame === frame).column.method : null
    this.grid.classList.toggle("xkd-pointing", event !== null)
    if (event === null) return
    const box = frame.getBoundingClientRect()
    const x = Math.min(Math.max((event.clientX - box.left) / box.width, 0), 0.999)
    const y = Math.min(Math.max((event.clientY - box.top) / box.height, 0), 0.999)
    this.grid.style.setProperty("--at-x", `${x * 100}%`)
    this.grid.style.setProperty("--at-y", `${y * 100}%`)
    for (const panel of this.panels) {
      const grid = gridOf(this.cellOf(panel).cell)
      panel.value.textContent = grid === null ? "" : number(valueAt(grid, this.data.size, x, y, this.look))
      panel.box.classList.toggle("xkd-same", panel.column.method === method)
    }
  }
}

function valueAt(grid, size, x, y, look) {
  const values = evidence(grid, look.signed)
  const [row, column] = [Math.floor(y * size), Math.floor(x * size)]
  if (!look.smooth) return values.values[nearest(grid.height, size)[row] * grid.width + nearest(grid.width, size)[column]]
  const [down, across] = [neighbours(grid.height, size), neighbours(grid.width, size)]
  const along = (line) => {
    const w = across.weight[column]
    return values.values[line * grid.width + across.lower[column]] * (1 - w) + values.values[line * grid.width + across.upper[column]] * w
  }
  return along(down.lower[row]) * (1 - down.weight[row]) + along(down.upper[row]) * down.weight[row]
}

const viewers = new WeakMap()

export default function (component) {
  const root = component.parentElement.querySelector(".xkd-viewer")
  if (!viewers.has(root)) viewers.set(root, new Viewer(root))
  viewers.get(root).update(component)
  return () => viewers.get(root)?.destroy()
}
