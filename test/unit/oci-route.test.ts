/** Which path names what: the table of the specification, and whatever a hostile client may send instead. */
import t from 'tap'
import { CodedError } from '../../src/errors.js'
import { classify, type Route } from '../../src/oci/route.js'

const HEX = 'a'.repeat(64)
const SHA256 = `sha256:${HEX}`
const SHA512 = `sha512:${'b'.repeat(128)}`

/** A route in one line. */
function line (route: Route): string {
  switch (route.kind) {
    case 'base': case 'catalog': return route.kind
    case 'manifest': return `manifest ${route.repository} ${'tag' in route.reference ? `tag ${route.reference.tag}` : `digest ${route.reference.digest}`}`
    case 'blob': case 'referrers': return `${route.kind} ${route.repository} ${route.digest}`
    case 'upload': return `upload ${route.repository} ${route.id}`
    case 'tag': return `tag ${route.repository} ${route.tag}`
    case 'invalid': return `${route.error.statusCode} ${route.error.code}`
    default: return `${route.kind} ${route.repository}`
  }
}

const KNOWN: Array<[path: string, expected: string]> = [
  ['/v2', 'base'],
  ['/v2/', 'base'],
  ['/v2/_catalog', 'catalog'],
  ['/v2/app/manifests/1.0', 'manifest app tag 1.0'],
  ['/v2/team/app/manifests/latest', 'manifest team/app tag latest'],
  ['/v2/a/b/c/d/e/f/manifests/_x', 'manifest a/b/c/d/e/f tag _x'],
  [`/v2/team/app/manifests/${SHA256}`, `manifest team/app digest ${SHA256}`],
  [`/v2/team/app/manifests/${SHA512}`, `manifest team/app digest ${SHA512}`],
  [`/v2/team/app/manifests/sha256%3A${HEX}`, `manifest team/app digest ${SHA256}`],
  [`/v2/team/app/manifests/sha256-${HEX}.sig`, `manifest team/app tag sha256-${HEX}.sig`],
  [`/v2/team/app/blobs/${SHA256}`, `blob team/app ${SHA256}`],
  ['/v2/team/app/blobs/uploads/', 'uploads team/app'],
  ['/v2/team/app/blobs/uploads', 'uploads team/app'],
  ['/v2/team/app/blobs/uploads/0a1b-2c_d.e=', 'upload team/app 0a1b-2c_d.e='],
  ['/v2/team/app/tags/list', 'tags team/app'],
  ['/v2/team/app/tags/reference/1.0', 'tag team/app 1.0'],
  [`/v2/team/app/referrers/${SHA256}`, `referrers team/app ${SHA256}`],
  ['/v2/app', 'repository app'],
  ['/v2/team/app', 'repository team/app'],
  ['/v2/team/app/', 'repository team/app']
]

/** Names that look like parts of a path of the specification. */
const LOOKALIKES: Array<[path: string, expected: string]> = [
  ['/v2/manifests', 'repository manifests'],
  ['/v2/blobs', 'repository blobs'],
  ['/v2/tags', 'repository tags'],
  ['/v2/team/manifests', 'repository team/manifests'],
  ['/v2/team/blobs', 'repository team/blobs'],
  ['/v2/team/tags', 'repository team/tags'],
  ['/v2/manifests/manifests/manifests', 'manifest manifests tag manifests'],
  ['/v2/tags/tags/list', 'tags tags'],
  ['/v2/tags/list/manifests/list', 'manifest tags/list tag list'],
  ['/v2/a/tags/list/tags/list', 'tags a/tags/list'],
  ['/v2/a/blobs/uploads/manifests/v1', 'manifest a/blobs/uploads tag v1'],
  ['/v2/a/manifests/b/manifests/v1', 'manifest a/manifests/b tag v1'],
  [`/v2/blobs/blobs/${SHA256}`, `blob blobs ${SHA256}`],
  ['/v2/a/blobs/uploads/blobs/uploads/', 'uploads a/blobs/uploads'],
  ['/v2/a/tags/listing', 'repository a/tags/listing'],
  ['/v2/_catalog/', '400 NAME_INVALID'],
  ['/v2/_catalog/manifests/v1', '400 NAME_INVALID'],
  // Nothing is left of the name.
  ['/v2/manifests/v1', '400 NAME_INVALID'],
  ['/v2/tags/list', '400 NAME_INVALID'],
  [`/v2/blobs/${SHA256}`, '400 NAME_INVALID'],
  ['/v2/blobs/uploads/', '400 NAME_INVALID']
]

const LONG = 'a'.repeat(300)
const HOSTILE: Array<[path: string, expected: string]> = [
  ['/v2/..', '400 NAME_INVALID'],
  ['/v2/../etc/passwd', '400 NAME_INVALID'],
  ['/v2/team/../../etc', '400 NAME_INVALID'],
  ['/v2/team/./app', '400 NAME_INVALID'],
  ['/v2/../manifests/v1', '400 NAME_INVALID'],
  ['/v2/a/../manifests/v1', '400 NAME_INVALID'],
  ['/v2/%2e%2e%2fetc', '400 NAME_INVALID'],
  ['/v2/%2e%2e/%2e%2e/etc', '400 NAME_INVALID'],
  ['/v2/team%2f..%2fother', '400 NAME_INVALID'],
  ['/v2/%252e%252e', '400 NAME_INVALID'],
  ['/v2/team/app%00', '400 NAME_INVALID'],
  ['/v2/team%00/app/manifests/v1', '400 NAME_INVALID'],
  ['/v2/team/app/manifests/v1%00', '400 TAG_INVALID'],
  ['/v2/team/app/manifests/v1%0a', '400 TAG_INVALID'],
  ['/v2/team/app%0a/manifests/v1', '400 NAME_INVALID'],
  ['/v2/team/app/manifests/..', '400 TAG_INVALID'],
  ['/v2/team/app/manifests/%2e%2e', '400 TAG_INVALID'],
  ['/v2/team/app/manifests/.', '400 TAG_INVALID'],
  ['/v2/team/app/manifests/.hidden', '400 TAG_INVALID'],
  ['/v2/team/app/manifests/-v1', '400 TAG_INVALID'],
  ['/v2/team/app/manifests/', '400 TAG_INVALID'],
  ['/v2/team/app/manifests/..%2f..%2fv1', '400 NAME_INVALID'],
  [`/v2/team/app/manifests/${'t'.repeat(129)}`, '400 TAG_INVALID'],
  [`/v2/team/app/manifests/${LONG}`, '400 TAG_INVALID'],
  ['/v2/team/app/manifests/ü', '400 TAG_INVALID'],
  ['/v2/team/app/manifests/a b', '400 TAG_INVALID'],
  ['/v2/team/app/manifests/sha256:abc', '400 DIGEST_INVALID'],
  [`/v2/team/app/manifests/SHA256:${HEX}`, '400 DIGEST_INVALID'],
  [`/v2/team/app/manifests/sha256:${'A'.repeat(64)}`, '400 DIGEST_INVALID'],
  [`/v2/team/app/manifests/sha256:${HEX}0`, '400 DIGEST_INVALID'],
  [`/v2/team/app/manifests/md5:${'a'.repeat(32)}`, '400 DIGEST_INVALID'],
  [`/v2/team/app/manifests/sha256:../../${HEX.slice(6)}`, '400 NAME_INVALID'],
  [`/v2/team/app/manifests/sha256:${HEX}%0a`, '400 DIGEST_INVALID'],
  ['/v2/team/app/manifests/:', '400 DIGEST_INVALID'],
  ['/v2/team/app/blobs/latest', '400 DIGEST_INVALID'],
  ['/v2/team/app/blobs/', '400 DIGEST_INVALID'],
  ['/v2/team/app/referrers/latest', '400 DIGEST_INVALID'],
  ['/v2/team/app/blobs/uploads/%2e%2e%2f%2e%2e', '400 NAME_INVALID'],
  ['/v2/team/app/blobs/uploads/a%00b', '400 NAME_INVALID'],
  ['/v2/team/app/tags/reference/..', '400 TAG_INVALID'],
  ['/v2/team/app/tags/reference/', '400 TAG_INVALID'],
  ['/v2/Team/App', '400 NAME_INVALID'],
  ['/v2/TEAM/manifests/v1', '400 NAME_INVALID'],
  [`/v2/${LONG}`, '400 NAME_INVALID'],
  [`/v2/${LONG}/manifests/v1`, '400 NAME_INVALID'],
  [`/v2/${'a/'.repeat(150)}manifests/v1`, '400 NAME_INVALID'],
  ['/v2/team/app.', '400 NAME_INVALID'],
  ['/v2/team./app', '400 NAME_INVALID'],
  ['/v2/team/.app', '400 NAME_INVALID'],
  ['/v2/team/app..x', '400 NAME_INVALID'],
  ['/v2/team/app_', '400 NAME_INVALID'],
  ['/v2/team/app___x', '400 NAME_INVALID'],
  ['/v2//', '400 NAME_INVALID'],
  ['/v2//app', '400 NAME_INVALID'],
  ['/v2/team//app', '400 NAME_INVALID'],
  ['/v2/team//app/manifests/v1', '400 NAME_INVALID'],
  ['/v2/team/app//', '400 NAME_INVALID'],
  ['/v2/team/app//manifests/v1', '400 NAME_INVALID'],
  ['/v2/_layers', '400 NAME_INVALID'],
  ['/v2/team/app/_manifests', '400 NAME_INVALID'],
  ['/v2/team/app/_uploads/x', '400 NAME_INVALID'],
  ['/v2/team\\app', '400 NAME_INVALID'],
  ['/v2/team%5capp', '400 NAME_INVALID'],
  ['/v2/team/ app', '400 NAME_INVALID'],
  ['/v2/team/app;x', '400 NAME_INVALID'],
  ['/v2/%', '400 NAME_INVALID'],
  ['/v2/team/%zz', '400 NAME_INVALID'],
  ['/v2/team/%c3', '400 NAME_INVALID'],
  ['/v2/team/app/manifests/%ff', '400 NAME_INVALID']
]

for (const [what, table] of [['the specification', KNOWN], ['names like parts of a path', LOOKALIKES], ['hostile paths', HOSTILE]] as const) {
  t.test(what, t => {
    for (const [path, expected] of table) t.equal(line(classify(path)), expected, JSON.stringify(path.slice(0, 80)))
    t.end()
  })
}

t.test('an encoded slash is refused: the registry would read another path out of it', t => {
  t.equal(line(classify('/v2/a%2Fmanifests/v1')), '400 NAME_INVALID')
  t.equal(line(classify('/v2/a/manifests%2Fv1')), '400 NAME_INVALID')
  t.end()
})

t.test('what begins with another spelling of /v2/ is refused: its name would be cut in the wrong place', t => {
  for (const path of ['/%76%32/app/manifests/v1', '/%762/app/manifests/v1', '/v%32/app', '/v2#app', '/v2%2Fapp', 'http://host/v2/app', '/V2/app', '//v2/app', '*', '']) {
    t.equal(line(classify(path)), '400 NAME_INVALID', path)
  }
  t.end()
})

t.test('an upload is not called like a directory above it', t => {
  for (const id of ['.', '..', '...', '%2e%2e']) t.equal(line(classify(`/v2/team/app/blobs/uploads/${id}`)), '400 NAME_INVALID', id)
  t.end()
})

t.test('an error says nothing of what was sent', t => {
  for (const [path] of HOSTILE) {
    const route = classify(path)
    if (route.kind !== 'invalid') {
      t.fail(`${path} is a ${route.kind}`)
      continue
    }
    t.ok(route.error instanceof CodedError)
    const body = JSON.stringify(route.error)
    t.match(JSON.parse(body), { errors: [{ code: String, message: String }] })
    for (const word of ['etc', 'passwd', 'hidden', LONG]) t.notOk(body.includes(word), `${path}: ${word}`)
  }
  t.end()
})

t.test('whatever is accepted contains nothing that could leave the tree', t => {
  const pieces = ['a', 'B', '..', '.', '', '%2e', '%2f', '%00', 'manifests', 'blobs', 'uploads', 'tags', 'list', 'reference', '_catalog', 'x.y', '-', SHA256]
  let accepted = 0
  for (const one of pieces) {
    for (const two of pieces) {
      for (const three of pieces) {
        for (const four of pieces) {
          const route = classify(`/v2/${one}/${two}/${three}/${four}`)
          if (!('repository' in route)) continue
          accepted++
          const texts = [route.repository, 'reference' in route ? Object.values(route.reference)[0] as string : '', 'tag' in route ? route.tag : '']
          for (const text of texts) {
            if (text.split('/').includes('..') || text.startsWith('/') || text.includes('//') || /[\0\\%A-Z]/.test(route.repository)) t.fail(`/v2/${one}/${two}/${three}/${four} became ${line(route)}`)
          }
        }
      }
    }
  }
  t.ok(accepted > 50, `${accepted} were accepted`)
  t.end()
})
