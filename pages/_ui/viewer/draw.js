// Twin of xkd_core/rendering.py: raw float32 grid in, RGBA pixels out, equal to the last bit
// (tests/browser compares them). Same names, same order of operations, same rounding.

const LINE_PX = 2
const HATCH_PX = 16
const FINE_SHARE = 0.99
const PAPER = 160
const HATCH = 144
const HEAD_BYTES = 68

function evidence(grid, signed) {
  const values = new Float64Array(grid.values.length)
  for (let i = 0; i < values.length; i++) values[i] = signed ? grid.values[i] : Math.max(grid.values[i], 0)
  return { values, height: grid.height, width: grid.width }
}

// fine: maps of single pixels end their colours at the 99th percentile of |map|. Kept with the grid: sorting is dear.
function fullOf(grid, signed, fine) {
  let largest = 0
  for (const value of grid.values) largest = Math.max(largest, signed ? Math.abs(value) : value)
  if (!fine || grid.values.length === 0) return largest
  if (grid.percentile === undefined) {
    const ranked = Float64Array.from(grid.values, Math.abs).sort()
    grid.percentile = ranked[Math.ceil(FINE_SHARE * ranked.length) - 1]
  }
  return grid.percentile > 0 ? Math.min(largest, grid.percentile) : largest
}

function nearest(cells, size) {
  const place = new Int32Array(size)
  for (let i = 0; i < size; i++) place[i] = Math.floor(((i + 0.5) * cells) / size)
  return place
}

const neighbourCache = new Map()
function neighbours(cells, size) {
  const key = cells * 65536 + size
  if (neighbourCache.has(key)) return neighbourCache.get(key)
  const lower = new Int32Array(size)
  const upper = new Int32Array(size)
  const weight = new Float64Array(size)
  for (let i = 0; i < size; i++) {
    const place = Math.min(Math.max(((i + 0.5) * cells) / size - 0.5, 0), cells - 1)
    lower[i] = Math.floor(place)
    upper[i] = Math.min(lower[i] + 1, cells - 1)
    weight[i] = place - lower[i]
  }
  const found = { lower, upper, weight }
  neighbourCache.set(key, found)
  return found
}

// Two buffers in turn: a panel needs its own values and a reference's at once, and nothing for longer.
const buffers = [new Float64Array(0), new Float64Array(0)]
function scratch(length) {
  buffers.reverse()
  if (buffers[0].length !== length) buffers[0] = new Float64Array(length)
  return buffers[0]
}

function resize(grid, size, smooth) {
  const { values, height, width } = grid
  const out = scratch(size * size)
  if (!smooth) {
    const rows = nearest(height, size)
    const columns = nearest(width, size)
    for (let y = 0; y < size; y++) {
      for (let x = 0; x < size; x++) out[y * size + x] = values[rows[y] * width + columns[x]]
    }
    return out
  }
  const across = neighbours(width, size)
  const down = neighbours(height, size)
  const wide = new Float64Array(height * size)
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < size; x++) {
      const w = across.weight[x]
      wide[y * size + x] = values[y * width + across.lower[x]] * (1 - w) + values[y * width + across.upper[x]] * w
    }
  }
  for (let y = 0; y < size; y++) {
    const top = down.lower[y] * size
    const bottom = down.upper[y] * size
    const w = down.weight[y]
    const keep = 1 - w
    for (let x = 0; x < size; x++) out[y * size + x] = wide[top + x] * keep + wide[bottom + x] * w
  }
  return out
}

function levels(values, scale, diverging) {
  const out = new Uint8Array(values.length)
  if (!(scale > 0)) return out.fill(diverging ? 128 : 0)
  const [least, steps, half] = diverging ? [-1, 127, 128.5] : [0, 255, 0.5]
  for (let i = 0; i < out.length; i++) {
    const share = values[i] / scale
    out[i] = (share < least ? least : share > 1 ? 1 : share) * steps + half // storing cuts off: all are positive
  }
  return out
}

function grey(rgba) {
  const out = new Uint8Array(rgba.length / 4)
  for (let i = 0, j = 0; i < out.length; i++, j += 4) {
    out[i] = Math.floor((299 * rgba[j] + 587 * rgba[j + 1] + 114 * rgba[j + 2] + 500) / 1000)
  }
  return out
}

// One 32-bit pixel, red in the lowest byte: what ImageData holds on every machine a browser runs on today.
const pack = (r, g, b) => ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0

const blendCache = new Map()
function blendTable(name, table, opacity) {
  const key = `${name}/${opacity}`
  if (blendCache.has(key)) return blendCache.get(key)
  const mix = (paper, colour) => Math.floor((paper * (100 - opacity) + colour * opacity + 50) / 100)
  const out = new Uint32Array(65536)
  for (let paper = 0; paper < 256; paper++) {
    for (let level = 0; level < 256; level++) {
      const j = level * 3
      out[paper * 256 + level] = pack(mix(paper, table[j]), mix(paper, table[j + 1]), mix(paper, table[j + 2]))
    }
  }
  if (blendCache.size > 24) blendCache.clear()
  blendCache.set(key, out)
  return out
}

// photo: {size, rgba, grey}; style: {mode, opacity, colours}; tables: name -> Uint8Array(768); out: Uint32Array.
function paint(photo, level, style, diverging, tables, out) {
  const name = diverging ? "purple_orange" : style.colours
  const table = tables[name]
  if (style.mode === "heatmap") {
    for (let i = 0; i < out.length; i++) {
      const j = level[i] * 3
      out[i] = pack(table[j], table[j + 1], table[j + 2])
    }
  } else if (style.mode === "masked") {
    masked(photo.rgba, level, style.opacity, diverging, out)
  } else if (style.mode === "contour") {
    contour(photo, level, table, diverging, out)
  } else {
    const blend = blendTable(name, table, style.opacity)
    for (let i = 0; i < out.length; i++) out[i] = blend[photo.grey[i] * 256 + level[i]]
  }
}

function masked(rgba, level, opacity, diverging, out) {
  const dim = (value, light) => Math.floor((value * light + 127) / 255)
  for (let i = 0, j = 0; i < out.length; i++, j += 4) {
    const strength = diverging ? Math.min(255, 2 * Math.abs(level[i] - 128)) : level[i]
    const light = 255 - Math.floor(((255 - strength) * opacity + 50) / 100)
    out[i] = pack(dim(rgba[j], light), dim(rgba[j + 1], light), dim(rgba[j + 2], light))
  }
}

function contour(photo, level, table, diverging, out) {
  const size = photo.size
  const bandOf = (entry) => (diverging ? Math.sign(entry - 128) * (Math.abs(entry - 128) >> 5) : entry >> 6)
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const i = y * size + x
      const band = bandOf(level[i])
      const below = bandOf(level[Math.min(y + LINE_PX, size - 1) * size + x])
      const beside = bandOf(level[y * size + Math.min(x + LINE_PX, size - 1)])
      if (below === band && beside === band) {
        out[i] = pack(photo.grey[i], photo.grey[i], photo.grey[i])
        continue
      }
      let strongest = band
      if (Math.abs(below) > Math.abs(strongest)) strongest = below
      if (Math.abs(beside) > Math.abs(strongest)) strongest = beside
      const entry = diverging ? 128 + strongest * 42 : strongest * 64 + 63
      const j = Math.min(Math.max(entry, 0), 255) * 3
      out[i] = pack(table[j], table[j + 1], table[j + 2])
    }
  }
}

// mask: Uint8Array of 0/1. Returns 1 where the white line runs (just inside), 2 where the black one does (just outside).
function outlineLines(mask, size) {
  const at = (y, x) => mask[Math.min(Math.max(y, 0), size - 1) * size + Math.min(Math.max(x, 0), size - 1)]
  const lines = new Uint8Array(size * size)
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const near = at(y - 1, x) + at(y + 1, x) + at(y, x - 1) + at(y, x + 1)
      if (at(y, x) ? near < 4 : near > 0) lines[y * size + x] = at(y, x) ? 1 : 2
    }
  }
  return lines
}

function outline(out, lines) {
  const white = pack(255, 255, 255)
  const black = pack(0, 0, 0)
  for (let i = 0; i < out.length; i++) {
    if (lines[i] > 0) out[i] = lines[i] === 1 ? white : black
  }
}

function hatching(size, out) {
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const value = Math.floor((x + y) / (HATCH_PX / 2)) % 2 === 0 ? PAPER : HATCH
      out[y * size + x] = pack(value, value, value)
    }
  }
}

// Colour-table entries of one panel. reference: {grid, scale} or null; with it the signed difference is meant.
function panelLevels(grid, scale, style, size, reference) {
  const values = resize(evidence(grid, style.signed), size, style.smooth)
  if (reference === null) return levels(values, (scale * style.full) / 100, style.signed)
  const other = resize(evidence(reference.grid, style.signed), size, style.smooth)
  for (let i = 0; i < values.length; i++) {
    const own = scale > 0 ? values[i] / scale : 0
    values[i] = own - (reference.scale > 0 ? other[i] / reference.scale : 0)
  }
  return levels(values, style.full / 100, true)
}

// level: of panelLevels, or null where there is no map. lines: of outlineLines, or null.
function drawPanel(photo, level, style, diverging, tables, lines, out) {
  if (level === null) return hatching(photo.size, out)
  paint(photo, level, style, diverging, tables, out)
  if (lines !== null) outline(out, lines)
}

function colourBar(style, diverging, tables, width, height, out) {
  const dark = style.mode === "masked"
  const table = tables[diverging ? "purple_orange" : style.colours]
  const first = diverging && !dark ? 1 : 0
  for (let x = 0; x < width; x++) {
    const entry = first + Math.floor((x * (255 - first)) / Math.max(1, width - 1))
    const light = 255 - Math.floor(((255 - entry) * style.opacity + 50) / 100)
    const j = entry * 3
    const colour = dark ? pack(light, light, light) : pack(table[j], table[j + 1], table[j + 2])
    for (let y = 0; y < height; y++) out[y * width + x] = colour
  }
}

// An uncompressed top-down BMP whose pixels are painted in place: lossless like PNG, with nothing to compress per frame.
// Paint into `pixels` (see pack); `bytes` are the same as RGBA, `blob()` is the file.
function canvasFile(width, height) {
  const buffer = new ArrayBuffer(HEAD_BYTES + width * height * 4)
  const head = new DataView(buffer)
  const put = (offset, value) => head.setUint32(offset, value, true)
  head.setUint16(0, 0x424d)
  put(2, buffer.byteLength)
  put(10, HEAD_BYTES)
  put(14, 40)
  put(18, width)
  head.setInt32(22, -height, true)
  head.setUint16(26, 1, true)
  head.setUint16(28, 32, true)
  put(30, 3) // the colour masks below say where red, green and blue are
  put(34, width * height * 4)
  put(54, 0xff)
  put(58, 0xff00)
  put(62, 0xff0000)
  const blob = () => new Blob([buffer], { type: "image/bmp" })
  return { pixels: new Uint32Array(buffer, HEAD_BYTES), bytes: new Uint8ClampedArray(buffer, HEAD_BYTES), blob }
}
