// A loader hook that gives one module another text than its file has, so that mutants need no copy of the project.
let mutant

export function initialize(data) {
  mutant = data
}

export async function load(url, context, nextLoad) {
  const loaded = await nextLoad(url, context)
  if (url !== mutant.url) return loaded
  const source = Buffer.from(loaded.source).toString('utf8')
  const { start, end, replacement } = mutant
  return { ...loaded, source: source.slice(0, start) + replacement + source.slice(end) }
}
