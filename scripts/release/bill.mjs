// The bill of materials: which service holds what. CycloneDX 1.6 as JSON.

/** `components` are those of all services, by `componentsOf`. */
export function bill({ name, version, license, time, services, components }) {
  const node = { type: 'platform', 'bom-ref': 'node', name: 'node', version: process.versions.node }
  const ours = services.map(service => ({ type: 'application', 'bom-ref': service.name, name: service.name, version }))
  const uses = service => ({
    ref: service.name,
    dependsOn: ['node', ...components.filter(({ services }) => services.has(service.name)).map(({ url }) => url)],
  })
  return {
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    version: 1,
    metadata: {
      timestamp: time.toISOString(),
      component: { type: 'application', 'bom-ref': name, name, version, licenses: licences(license) },
    },
    components: [
      ...ours.map(each => ({ ...each, licenses: licences(license) })),
      { ...node, licenses: licences('MIT'), purl: `pkg:generic/node@${node.version}` },
      ...components.map(library),
    ],
    dependencies: [{ ref: name, dependsOn: services.map(service => service.name) }, ...services.map(uses)],
  }
}

function library(component) {
  const [last, group] = component.name.split('/').reverse()
  return {
    ...{ type: 'library', 'bom-ref': component.url },
    ...(group === undefined ? {} : { group }),
    ...{ name: last, version: component.version, licenses: licences(component.license), purl: component.url },
  }
}

/** One licence by its SPDX identifier, or an expression of several. */
function licences(license) {
  return / /.test(license) ? [{ expression: license }] : [{ license: { id: license } }]
}
