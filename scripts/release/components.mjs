// What is in the single files and programs that others have made: its name, version, licence.
import { readdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'

/** All packages in the services, each once, sorted, with the services that hold it. Throws for one without a licence. */
export async function componentsOf(services) {
  const found = new Map()
  for (const service of services) {
    for (const folder of service.packages) {
      const { name, version, license, author } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'))
      if (typeof license !== 'string') throw new Error(`${folder} does not say under which licence it is`)
      // The same version may lie in several folders.
      const url = `pkg:npm/${name.replace('@', '%40')}@${version}`
      const component = found.get(url) ?? {
        url,
        name,
        version,
        license,
        services: new Set(),
        texts: [...(await textsIn(folder)), `By ${author?.name ?? author ?? 'its contributors'}.`],
      }
      found.set(url, component)
      component.services.add(service.name)
    }
  }
  return [...found.values()].sort((a, b) => (a.url < b.url ? -1 : 1))
}

async function textsIn(folder) {
  const files = (await readdir(folder)).filter(file => /^(licen[cs]e|copying|notice)/i.test(file)).sort()
  return Promise.all(files.map(file => readFile(join(folder, file), 'utf8')))
}

/** The licence of the Node in the programs, with those of everything in it; it lies beside the folder of this program. */
async function nodeLicence() {
  return await readFile(join(dirname(process.execPath), '..', 'LICENSE'), 'utf8')
}

/** One text with all licences, those of Node last. */
export async function licencesOf(components) {
  const parts = components.map(({ name, version, license, texts }) => ({
    title: `${name} ${version} (${license})`,
    texts,
  }))
  parts.push({ title: `Node.js ${process.versions.node}`, texts: [await nodeLicence()] })
  return parts.map(({ title, texts }) => `${'='.repeat(80)}\n${title}\n\n${texts.join('\n').trim()}\n`).join('\n')
}
