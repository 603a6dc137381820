import assert from 'node:assert/strict'
import { LOOKS, type Look, type Tab } from './tab.js'

/**
 * Asserts that the page as it is now is readable in every look: nothing has to be scrolled sideways, axe-core finds nothing, and nothing
 * went wrong so far. `also` is called in each look. The tab is left as wide as a screen, and light.
 */
export async function isReadable(tab: Tab, also: (look: Look) => Promise<void> = async () => {}): Promise<void> {
  for (const look of LOOKS) {
    await tab.look(look)
    const name = `${look.width} px, ${look.scheme}`
    assert.deepEqual(await tab.overflowing(), [], name)
    assert.deepEqual(await tab.accessibilityProblems(), [], name)
    await also(look)
  }
  await tab.look({ width: 1280, scheme: 'light' })
  assert.deepEqual(tab.problems, [])
}
