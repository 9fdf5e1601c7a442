/** What another site makes a browser ask, told from what a page of this one asks, and from what is no browser. */
import t from 'tap'
import { isCrossSite } from '../../src/http/cross-site.js'

const HERE = { host: 'registry.example:5000' }
const OTHER = 'https://other.example'

t.test('what is no browser is not concerned', async t => {
  t.notOk(isCrossSite({ ...HERE }, []))
  t.notOk(isCrossSite({}, []))
})

t.test('a browser says where a request comes from', async t => {
  for (const site of ['cross-site', 'same-site', 'something-new']) t.ok(isCrossSite({ ...HERE, origin: OTHER, 'sec-fetch-site': site }, []), site)
  for (const site of ['same-origin', 'none']) t.notOk(isCrossSite({ ...HERE, origin: 'http://registry.example:5000', 'sec-fetch-site': site }, []), site)
  t.ok(isCrossSite({ ...HERE, 'sec-fetch-site': 'cross-site' }, ['*']), 'without an origin nobody can be told apart')
  t.ok(isCrossSite({ ...HERE, origin: OTHER, 'sec-fetch-site': 'cross-site', 'x-requested-with': 'x' }, []), 'a header of the page\'s makes no difference then')
})

t.test('over plain HTTP it tells the origin alone', async t => {
  t.ok(isCrossSite({ ...HERE, origin: 'http://other.example' }, []))
  t.ok(isCrossSite({ ...HERE, origin: 'http://registry.example' }, []), 'another port')
  t.ok(isCrossSite({ ...HERE, origin: 'null' }, []), 'a page without an origin')
  t.notOk(isCrossSite({ ...HERE, origin: 'http://registry.example:5000' }, []))
  t.notOk(isCrossSite({ host: 'registry.example', origin: 'http://registry.example:80' }, []), 'the port of the scheme is left out')
  t.notOk(isCrossSite({ host: 'internal:5000', origin: 'http://registry.example', 'x-requested-with': 'delgate' }, []), 'behind a proxy that changes Host, the page\'s own header tells')
})

t.test('origins that are configured may ask', async t => {
  t.notOk(isCrossSite({ ...HERE, origin: OTHER, 'sec-fetch-site': 'cross-site' }, [OTHER]))
  t.ok(isCrossSite({ ...HERE, origin: OTHER }, ['*']), 'any at all is none that is named')
  t.ok(isCrossSite({ ...HERE, origin: '*' }, []))
  t.notOk(isCrossSite({ ...HERE, origin: OTHER }, ['*', OTHER]))
  t.ok(isCrossSite({ ...HERE, origin: OTHER, 'sec-fetch-site': 'cross-site' }, ['https://another.example']))
})
