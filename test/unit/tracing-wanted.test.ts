/** Which variables ask for traces. */
import t from 'tap'
import { tracingWanted } from '../../src/tracing/wanted.js'

const ENDPOINT = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318' }

t.test('an endpoint or an exporter asks for them; others do not, and can forbid them', t => {
  const table: Array<[Record<string, string>, boolean]> = [
    [{}, false],
    [{ OTEL_SERVICE_NAME: 'gate' }, false],
    [ENDPOINT, true],
    [{ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://collector:4318/v1/traces' }, true],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: '' }, false],
    [{ OTEL_TRACES_EXPORTER: 'otlp' }, true],
    [{ ...ENDPOINT, OTEL_TRACES_EXPORTER: 'none' }, false],
    [{ ...ENDPOINT, OTEL_TRACES_EXPORTER: '' }, true],
    [{ ...ENDPOINT, OTEL_SDK_DISABLED: 'true' }, false],
    [{ ...ENDPOINT, OTEL_SDK_DISABLED: 'TRUE' }, false],
    [{ ...ENDPOINT, OTEL_SDK_DISABLED: 'false' }, true]
  ]
  for (const [environment, isWanted] of table) t.same(tracingWanted(environment), { isWanted }, JSON.stringify(environment))
  t.end()
})

t.test('what Delgate cannot do is said', t => {
  t.match(tracingWanted({ OTEL_TRACES_EXPORTER: 'zipkin' }), { isWanted: false, problem: /zipkin/ })
  t.match(tracingWanted({ OTEL_TRACES_EXPORTER: 'console, otlp' }), { isWanted: true, problem: undefined })
  t.match(tracingWanted({ ...ENDPOINT, OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' }), { isWanted: true, problem: /grpc.*4318/ })
  t.match(tracingWanted({ ...ENDPOINT, OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf' }), { isWanted: true, problem: undefined })
  t.end()
})
