import { render as renderInto, type TemplateResult } from 'lit-html'

const USABLE = 'a, button, input'

/**
 * Brings what is in `container` up to date. Where that takes away or disables what has the focus, the focus goes to the same thing in the
 * next row of its table, in the row before it, or to the nearest heading above that is left: whoever has no mouse goes on from there.
 */
export function render(template: TemplateResult, container: HTMLElement): void {
  const focused = container.contains(document.activeElement) ? document.activeElement : null
  const heirs = focused === null ? [] : [...neighboursOf(focused), ...headingsBefore(focused, container)]
  renderInto(template, container)
  if (focused === null || (focused.isConnected && !isDisabled(focused))) return
  const heir = heirs.find(each => each.isConnected && !isDisabled(each))
  if (heir === undefined) return
  if (!heir.matches(USABLE)) heir.tabIndex = -1
  heir.focus()
}

function isDisabled(element: Element): boolean {
  return element.matches(':disabled')
}

function neighboursOf(focused: Element): HTMLElement[] {
  const row = focused.closest('tr')
  const rows = [...(row?.parentElement?.children ?? [])]
  const place = row === null ? -1 : rows.indexOf(row)
  const column = row === null ? -1 : [...row.querySelectorAll(USABLE)].indexOf(focused)
  return [...rows.slice(place + 1), ...rows.slice(0, Math.max(0, place)).reverse()].flatMap(each => {
    return [...each.querySelectorAll<HTMLElement>(USABLE)].slice(column, column + 1)
  })
}

/** The nearest first. */
function headingsBefore(focused: Element, container: HTMLElement): HTMLElement[] {
  const isBefore = (heading: Element) =>
    (heading.compareDocumentPosition(focused) & Node.DOCUMENT_POSITION_FOLLOWING) !== 0
  return [...container.querySelectorAll<HTMLElement>('h1, h2, h3')].filter(isBefore).reverse()
}
