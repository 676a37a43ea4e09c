// Thumbnails as buttons; the pressed one reports its index to Python.
export default function (component) {
  const root = component.parentElement.querySelector(".xkd-gallery")
  root.replaceChildren(...component.data.items.map((item) => {
    const button = document.createElement("button")
    const image = document.createElement("img")
    const words = document.createElement("span")
    button.type = "button"
    button.dataset.index = item.index
    button.ariaCurrent = item.current ? "true" : "false"
    Object.assign(image, { src: item.src, alt: item.alt, width: 96, height: 96 })
    words.textContent = item.words
    button.append(image, words)
    button.onclick = () => {
      component.setTriggerValue("picked", item.index)
      document.querySelector('[data-testid="stMain"]')?.scrollTo({ top: 0 }) // where the picked image is shown
    }
    return button
  }))
}
