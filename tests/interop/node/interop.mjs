// Drives Node's Kafka clients for the tests.
//
//   node interop.mjs CLIENT smoke BOOTSTRAP TOPIC GROUP COUNT
//   node interop.mjs CLIENT copy BOOTSTRAP INPUT OUTPUT GROUP COUNT
//
// CLIENT is kafkajs or confluent (@confluentinc/kafka-javascript, by its API of the same shape). The topics must exist;
// what smoke and copy do and print is said in ../go/main.go. smoke sends every second hundred with gzip.
import { createRequire } from "node:module";

const require = createRequire(`${process.env.INTEROP_MODULES}/`); // they are installed outside of the tree
const [client, what, bootstrap, ...rest] = process.argv.slice(2);
const confluent = client === "confluent";
const library = confluent ? require("@confluentinc/kafka-javascript").KafkaJS : require("kafkajs");
const { Kafka, CompressionTypes, logLevel } = library;

// librdkafka's client takes the same settings under a name of their own, and some of its own beside them
const settings = (shared, own = {}) => (confluent ? { kafkaJS: shared, ...own } : shared);
const kafka = new Kafka(
  settings({ clientId: "interop", brokers: [bootstrap], logLevel: logLevel.ERROR, ...(confluent ? {} : { retry: { initialRetryTime: 100, retries: 12 } }) }),
);

function consumer(groupId, more = {}) {
  const shared = { groupId, sessionTimeout: 10000, rebalanceTimeout: 10000, heartbeatInterval: 300, ...more };
  return confluent
    ? kafka.consumer(settings({ ...shared, fromBeginning: true, autoCommitInterval: 100 }))
    : kafka.consumer({ ...shared, maxWaitTimeInMs: 200 });
}

async function subscribe(member, topic) {
  await member.connect();
  await member.subscribe(confluent ? { topic } : { topic, fromBeginning: true });
}

function deadline(why) {
  return setTimeout(() => {
    console.error(`after 60 s: ${why()}`);
    process.exit(1);
  }, 60000);
}

async function smoke(topic, group, countText) {
  const count = Number(countText);
  const result = { acknowledged: 0, read: 0, twice: 0, changed: 0, members: [0, 0], committed: 0 };
  const seen = new Set();
  let finish;
  const finished = new Promise((resolve) => (finish = resolve));
  const members = [0, 1].map(() => consumer(group));
  for (const [number, member] of members.entries()) {
    await subscribe(member, topic);
    await member.run({
      ...(confluent ? {} : { autoCommitThreshold: 50 }),
      eachMessage: async ({ message }) => {
        const key = message.key.toString();
        if (seen.has(key)) result.twice++;
        seen.add(key);
        if (message.value.toString() !== `value of ${key}` || `key-${message.headers.n}` !== key) result.changed++;
        result.members[number]++;
        if (seen.size === count) finish();
      },
    });
  }
  const tooLong = deadline(() => `${seen.size} of ${count} records`);
  // records come when both have partitions, so that each reads some
  const admin = kafka.admin();
  await admin.connect();
  for (;;) {
    const [described] = (await admin.describeGroups([group])).groups;
    const ready = described.state === (confluent ? library.ConsumerGroupStates.STABLE : "Stable");
    if (ready && described.members.length === 2) break;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const producers = [CompressionTypes.None, CompressionTypes.GZIP].map((compression) =>
    kafka.producer(settings({ idempotent: true, maxInFlightRequests: 1, ...(confluent ? { compression, acks: -1 } : {}) })),
  );
  for (const producer of producers) await producer.connect();
  for (let first = 0; first < count; first += 100) {
    const messages = [];
    for (let number = first; number < Math.min(first + 100, count); number++) {
      messages.push({ key: `key-${number}`, value: `value of key-${number}`, headers: { n: String(number) } });
    }
    const compressed = (first / 100) % 2;
    const compression = compressed ? CompressionTypes.GZIP : CompressionTypes.None;
    const answers = await producers[compressed].send({ topic, messages, ...(confluent ? {} : { acks: -1, compression }) });
    if (answers.every((answer) => answer.errorCode === 0)) result.acknowledged += messages.length;
  }
  for (const producer of producers) await producer.disconnect();
  await finished;
  await Promise.all(members.map((member) => member.disconnect()));
  clearTimeout(tooLong);
  result.read = seen.size;
  const [offsets] = await admin.fetchOffsets({ groupId: group, topics: [topic] });
  result.committed = offsets.partitions.reduce((sum, { offset }) => sum + Math.max(0, Number(offset)), 0);
  await admin.disconnect();
  return result;
}

async function copy(input, output, group, countText) {
  const count = Number(countText);
  const result = { committed: 0, aborted: 0 };
  const producer = kafka.producer(settings({ transactionalId: `${group}-${client}`, idempotent: true, maxInFlightRequests: 1 }));
  await producer.connect();
  const member = consumer(group, { readUncommitted: false, ...(confluent ? { autoCommit: false } : {}) });
  await subscribe(member, input);
  let finish;
  const finished = new Promise((resolve) => (finish = resolve));
  const tooLong = deadline(() => `${result.committed} of ${count} records`);
  let turn = 0;
  let last = Promise.resolve(); // one transaction at a time, whatever partition it is of
  await member.run({
    ...(confluent ? {} : { autoCommit: false }),
    eachBatchAutoResolve: true,
    eachBatch: ({ batch }) =>
      (last = last.then(async () => {
        const values = batch.messages.map(({ key, value }) => ({ key, value: value.toString().toUpperCase() }));
        for (let done = false; !done; ) {
          turn++;
          const transaction = await producer.transaction();
          await transaction.send({ topic: output, messages: values });
          if (turn % 3 === 0) {
            await transaction.abort();
            result.aborted++;
            continue;
          }
          const offset = (BigInt(batch.messages.at(-1).offset) + 1n).toString();
          const topics = [{ topic: batch.topic, partitions: [{ partition: batch.partition, offset }] }];
          await transaction.sendOffsets(confluent ? { consumer: member, topics } : { consumerGroupId: group, topics });
          await transaction.commit();
          done = true;
        }
        result.committed += batch.messages.length;
        if (result.committed >= count) finish();
      })),
  });
  await finished;
  clearTimeout(tooLong);
  await member.disconnect();
  await producer.disconnect();
  return result;
}

console.log(JSON.stringify(await { smoke, copy }[what](...rest)));
process.exit(0);
