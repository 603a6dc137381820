// A test reporter that ends the process at the first failure: one is enough to see a mutant.
export default async function* bail(events) {
  for await (const { type, data } of events) {
    if (type === 'test:fail' && data.todo === undefined) {
      yield `${data.name}\n`
      process.exit(1)
    }
  }
}
