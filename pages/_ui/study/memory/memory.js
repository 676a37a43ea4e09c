// The secret of the own link, kept in this browser alone: who opens the invitation again goes on instead of beginning anew.
export default function (component) {
  const root = component.parentElement.querySelector(".study-memory")
  const { study, own, forget } = component.data
  const name = `study ${study}`
  try {
    if (forget) localStorage.removeItem(name)
    else if (own) localStorage.setItem(name, own)
    else if (localStorage.getItem(name) && !root.dataset.said) {
      root.dataset.said = "1"
      component.setTriggerValue("known", localStorage.getItem(name))
    }
  } catch {
    // A browser that keeps nothing: the own link still leads back.
  }
}
