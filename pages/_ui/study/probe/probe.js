// How wide is this window? Said once, when the participant presses the button.
export default function (component) {
  const root = component.parentElement.querySelector(".study-probe")
  root.querySelector(".study-strip").replaceChildren(...Array.from({ length: 9 }, (_, step) => {
    const square = document.createElement("span")
    const level = Math.round((255 * step) / 8)
    square.style.background = `rgb(${level}, ${level}, ${level})`
    return square
  }))
  root.querySelector("button").onclick = () => component.setTriggerValue("width", window.innerWidth)
}
