// Starling under load: users who chat in small groups, each over a WebSocket of its own, through the front.
//
//   cargo xtask load                      against the development cluster, or one that it starts
//   k6 run --no-usage-report tests/load/chat.js -e TOKEN_SECRET=…        against any front on this machine
//
// (Without --no-usage-report, or K6_NO_USAGE_REPORT=true, k6 reports its use to its makers.)
//
// What may be given in the environment:
//
//   FRONT           where the cluster is                         http://127.0.0.1:8080
//   TOKEN_SECRET    what the cluster checks HS256 tokens with    (required)
//   USERS           how many users connect                       300
//   CONVERSATIONS   how many groups they are divided among       100
//   RATE            messages a second, all users together        300
//   DURATION        for how long they talk, like 30s or 2m       30s
//   SIZE            characters in a message                      100
//   P99             milliseconds that 99 % of the deliveries may take at most   50
//   RAMP            for how long users come in, before they talk                5s
//   DRAIN           for how long to wait at the end for what is still missing   10s
//
// What it checks, all of it as thresholds, so that k6 fails when one does not hold:
//
//   sent            as many messages as planned were sent
//   acknowledged    each was acknowledged
//   delivery_ms     from a member's send to another member's receipt
//   lost            messages that were acknowledged, and that a member did not get
//   doubled         entries or messages that a member got twice
//   disordered      entries that a member got before the one that precedes them in the log
//
// and, for information: ack_ms, deliveries, reconnects (users whose connection ended come back, resume behind
// their cursor and send again what was not acknowledged), refused (answers that were not an acknowledgement).
//
// Each user sends at fixed times, staggered evenly over the users, whether or not the last message was
// acknowledged: a cluster that falls behind is not spared. A user's last message says how many of the ones
// before were acknowledged; that is how the others know what they should have got.

import { sleep } from 'k6';
import crypto from 'k6/crypto';
import encoding from 'k6/encoding';
import exec from 'k6/execution';
import http from 'k6/http';
import { Counter, Rate, Trend } from 'k6/metrics';
// The name that k6 1.1 knows; later versions also call it k6/websockets.
import { WebSocket } from 'k6/experimental/websockets';

const FRONT = (__ENV.FRONT || 'http://127.0.0.1:8080').replace(/\/+$/, '');
const SECRET = __ENV.TOKEN_SECRET || '';
const USERS = count('USERS', 300, 2, 5000);
const CONVERSATIONS = count('CONVERSATIONS', 100, 1, USERS);
const RATE = count('RATE', 300, 1, 10000);
const SIZE = count('SIZE', 100, 50, 5000);
const P99 = count('P99', 50, 1, 60000);
const DURATION = milliseconds('DURATION', '30s', 600000);
const RAMP = milliseconds('RAMP', '5s', 60000);
const DRAIN = milliseconds('DRAIN', '10s', 60000);

const MESSAGES = Math.floor((RATE * DURATION) / 1000);
// Between the last user's arrival and the first message: streams are set up then.
const SETTLE = 2000;
const CONNECT_TIMEOUT = 10000;
const MARK_EVERY = 1000;

if (!/^http:\/\/(127(\.\d{1,3}){3}|localhost|\[::1\])(:\d+)?$/.test(FRONT)) {
  throw new Error(`FRONT is ${FRONT}, but this is for fronts on this machine: http://127.0.0.1:PORT`);
}
if (!SECRET) {
  throw new Error('TOKEN_SECRET is missing: the secret that the cluster checks tokens with');
}

const sent = new Counter('sent');
const acknowledged = new Rate('acknowledged');
const ackTime = new Trend('ack_ms', true);
const deliveries = new Counter('deliveries');
const deliveryTime = new Trend('delivery_ms', true);
const lost = new Counter('lost');
const doubled = new Counter('doubled');
const disordered = new Counter('disordered');
const refused = new Counter('refused');
const reconnects = new Counter('reconnects');

export const options = {
  scenarios: {
    chat: {
      executor: 'per-vu-iterations',
      vus: USERS,
      iterations: 1,
      maxDuration: `${Math.ceil((RAMP + SETTLE + DURATION + 2 * DRAIN + CONNECT_TIMEOUT) / 1000) + 30}s`,
      gracefulStop: '5s',
    },
  },
  setupTimeout: '120s',
  thresholds: {
    sent: [`count==${MESSAGES}`],
    acknowledged: ['rate==1'],
    delivery_ms: [`p(99)<${P99}`],
    lost: ['count==0'],
    doubled: ['count==0'],
    disordered: ['count==0'],
  },
  summaryTrendStats: ['min', 'med', 'p(95)', 'p(99)', 'max'],
};

// Makes the conversations: user 0 is in conversation 0, user 1 in conversation 1, and so on, round and round.
export function setup() {
  const run = Date.now().toString(36) + Math.floor(Math.random() * 1e6).toString(36);
  const conversations = [];
  const requests = [];
  for (let number = 0; number < CONVERSATIONS; number += 1) {
    const [creator, ...others] = membersOf(number).map((user) => nameOf(run, user));
    const body = { kind: 'group', members: others, client_id: `${run}-${number}` };
    const headers = { Authorization: `Bearer ${token(creator)}`, 'Content-Type': 'application/json' };
    requests.push(['POST', `${FRONT}/v1/conversations`, JSON.stringify(body), { headers }]);
  }
  for (let from = 0; from < requests.length; from += 50) {
    for (let response of http.batch(requests.slice(from, from + 50))) {
      for (let tries = 0; response.status >= 500 && tries < 10; tries += 1) {
        // The client_id makes a retry find what the first try made.
        sleep(1);
        const { method, url, body } = response.request;
        response = http.request(method, url, body, { headers: flat(response.request.headers) });
      }
      if (response.status !== 200 && response.status !== 201) {
        exec.test.abort(`a conversation could not be made: ${response.status} ${response.body || response.error}`);
      }
      conversations.push(response.json('id'));
    }
  }
  return { run, conversations, start: Date.now() };
}

export default function chat({ run, conversations, start }) {
  const number = exec.vu.idInTest - 1;
  new User(number, run, conversations[number % CONVERSATIONS], start).arrive();
}

class User {
  constructor(number, run, conversation, start) {
    this.number = number;
    this.run = run;
    this.name = nameOf(run, number);
    this.conversation = conversation;
    this.comesAt = start + (RAMP * number) / USERS;
    this.talksAt = start + RAMP + SETTLE;
    this.planned = plannedFor(number);
    this.nextMessage = 0;
    this.frameId = 0;
    // What is not acknowledged, in the order of sending: client_id → { text, at, counts, frame }.
    this.unanswered = new Map();
    this.byFrame = new Map();
    this.acknowledged = 0;
    this.saidLast = false;
    // The last entry of the log that was received, and what was received of each other member.
    this.cursor = 0;
    this.marked = 0;
    this.seen = new Set();
    this.others = new Map();
    for (const other of membersOf(number % CONVERSATIONS)) {
      if (other !== number) {
        this.others.set(nameOf(run, other), { number: other, received: 0, total: null });
      }
    }
    this.timers = [];
    this.failures = 0;
    this.left = false;
  }

  arrive() {
    this.at(this.comesAt, () => this.connect());
    this.at(this.talksAt + MARK_EVERY * (this.number / USERS), () => this.mark());
    if (this.planned > 0) {
      this.at(this.timeOf(0), () => this.talk());
    }
    this.at(this.talksAt + DURATION, () => this.finish());
    // The last message, and the answers to it, have a time of their own.
    this.at(this.talksAt + DURATION + 2 * DRAIN, () => this.leave());
  }

  // The user's messages are `USERS / RATE` seconds apart, and those of all users are `1 / RATE` seconds apart.
  timeOf(message) {
    return this.talksAt + ((message * USERS + this.number) * 1000) / RATE;
  }

  at(time, action) {
    this.timers.push(setTimeout(action, Math.max(0, time - Date.now())));
  }

  connect() {
    const url = `${FRONT.replace(/^http/, 'ws')}/ws`;
    const params = { headers: { Authorization: `Bearer ${token(this.name)}` } };
    const socket = new WebSocket(url, ['starling.v1.json'], params);
    this.socket = socket;
    this.ready = false;
    let over = false;
    const end = () => {
      if (!over) {
        over = true;
        this.disconnected(socket);
      }
    };
    socket.onmessage = (event) => this.hear(JSON.parse(event.data));
    socket.onclose = end;
    socket.onerror = end;
    this.at(Date.now() + CONNECT_TIMEOUT, () => {
      if (this.socket === socket && !this.ready) {
        socket.close();
        end();
      }
    });
  }

  disconnected(socket) {
    if (this.left || this.socket !== socket) {
      return;
    }
    this.socket = null;
    this.ready = false;
    this.byFrame.clear();
    this.failures += 1;
    reconnects.add(1);
    this.at(Date.now() + Math.random() * Math.min(200 * 2 ** this.failures, 3000), () => this.connect());
  }

  ask(command) {
    this.frameId += 1;
    this.socket.send(JSON.stringify({ id: this.frameId, ...command }));
    return this.frameId;
  }

  hear(frame) {
    if (frame.entry) {
      this.receive(frame.entry);
    } else if (frame.ready) {
      this.ready = true;
      this.ask({ sync: { cursors: { [this.conversation]: this.cursor } } });
      for (const client_id of this.unanswered.keys()) {
        this.send(client_id, true);
      }
    } else if (frame.id && this.byFrame.has(frame.id)) {
      this.answered(this.byFrame.get(frame.id), frame);
      this.byFrame.delete(frame.id);
    } else if (frame.ok && frame.ok.synced) {
      this.failures = 0;
    }
  }

  talk() {
    this.say(`${this.nextMessage}`, true);
    this.nextMessage += 1;
    if (this.nextMessage < this.planned) {
      this.at(this.timeOf(this.nextMessage), () => this.talk());
    }
  }

  // The text begins with the time, so that whoever gets it knows how long it took.
  say(words, counts) {
    const at = Date.now();
    const client_id = `${this.name}-${this.unanswered.size}-${this.frameId}-${words}`;
    this.unanswered.set(client_id, { text: `${at} ${words} `.padEnd(SIZE, '.'), at, counts });
    if (counts) {
      sent.add(1);
    }
    if (this.ready) {
      this.send(client_id, false);
    }
  }

  send(client_id, retry) {
    const { text } = this.unanswered.get(client_id);
    const send = { conversation: this.conversation, client_id, text };
    if (retry) {
      send.retry = true;
    }
    this.byFrame.set(this.ask({ send }), client_id);
  }

  answered(client_id, frame) {
    const message = this.unanswered.get(client_id);
    if (!message) {
      return;
    }
    if (frame.ok) {
      this.unanswered.delete(client_id);
      if (message.counts) {
        this.acknowledged += 1;
        acknowledged.add(true);
        ackTime.add(Date.now() - message.at);
      }
    } else {
      refused.add(1, { code: frame.error.code });
      if (['rate_limited', 'unavailable'].includes(frame.error.code)) {
        const again = Date.now() + (frame.error.retry_after_ms || 500);
        this.at(again, () => this.ready && this.unanswered.has(client_id) && this.send(client_id, true));
      } else if (!['unknown', 'internal', 'unauthenticated'].includes(frame.error.code)) {
        // Definitely not stored. After the other codes the node closes, and it is sent again.
        this.unanswered.delete(client_id);
        acknowledged.add(false);
      }
    }
    this.finish();
  }

  receive(entry) {
    if (entry.seq <= this.cursor) {
      doubled.add(1);
      return;
    }
    if (entry.seq !== this.cursor + 1) {
      disordered.add(1);
    }
    this.cursor = entry.seq;
    if (!entry.body.message) {
      return;
    }
    if (this.seen.has(entry.client_id)) {
      doubled.add(1);
      return;
    }
    this.seen.add(entry.client_id);
    const other = this.others.get(entry.sender);
    if (!other) {
      return;
    }
    const [at, word, total] = entry.body.message.text.split(' ');
    if (word === 'last') {
      other.total = Number(total);
      this.leaveWhenComplete();
    } else {
      other.received += 1;
      deliveries.add(1);
      deliveryTime.add(Date.now() - Number(at));
    }
  }

  // As real clients do: up to here, everything has arrived.
  mark() {
    if (this.ready && this.cursor > this.marked) {
      this.marked = this.cursor;
      this.ask({ delivered: { conversation: this.conversation, seq: this.cursor } });
    }
    if (!this.left) {
      this.at(Date.now() + MARK_EVERY, () => this.mark());
    }
  }

  // When all is said and answered, or the time for answers is over: the last message.
  finish() {
    const overAt = this.talksAt + DURATION;
    if (this.saidLast || this.left || Date.now() < overAt - 1) {
      return;
    }
    if (this.unanswered.size > 0 && Date.now() < overAt + DRAIN) {
      if (!this.waiting) {
        this.waiting = true;
        this.at(overAt + DRAIN, () => this.finish());
      }
      return;
    }
    this.saidLast = true;
    this.say(`last ${this.acknowledged}`, false);
  }

  leaveWhenComplete() {
    const complete = [...this.others.values()].every(({ total, received }) => total !== null && received >= total);
    if (complete && this.saidLast && this.unanswered.size === 0) {
      this.leave();
    } else if (complete && !this.left) {
      this.at(Date.now() + 100, () => this.leaveWhenComplete());
    }
  }

  leave() {
    if (this.left) {
      return;
    }
    this.left = true;
    this.timers.forEach((timer) => clearTimeout(timer));
    for (const { counts } of this.unanswered.values()) {
      if (counts) {
        acknowledged.add(false);
      }
    }
    for (const { number, received, total } of this.others.values()) {
      // Whoever did not get to say how many: all that he was to say.
      lost.add(Math.max(0, (total === null ? plannedFor(number) : total) - received));
    }
    if (this.socket) {
      this.socket.close(1000);
    }
  }
}

function membersOf(conversation) {
  const members = [];
  for (let user = conversation; user < USERS; user += CONVERSATIONS) {
    members.push(user);
  }
  return members;
}

function plannedFor(user) {
  return user < MESSAGES ? Math.floor((MESSAGES - 1 - user) / USERS) + 1 : 0;
}

function nameOf(run, user) {
  return `load-${run}-${user}`;
}

// A JWT, HS256, for an hour.
function token(user) {
  const now = Math.floor(Date.now() / 1000);
  const part = (value) => encoding.b64encode(JSON.stringify(value), 'rawurl');
  const head = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ sub: user, iat: now, exp: now + 3600 })}`;
  return `${head}.${crypto.hmac('sha256', SECRET, head, 'base64rawurl')}`;
}

function flat(headers) {
  return Object.fromEntries(Object.entries(headers).map(([name, values]) => [name, values[0]]));
}

function count(name, otherwise, least, most) {
  const text = __ENV[name] || `${otherwise}`;
  const value = Number(text);
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new Error(`${name} is ${text}, but must be a number from ${least} to ${most}`);
  }
  return value;
}

function milliseconds(name, otherwise, most) {
  const text = __ENV[name] || otherwise;
  const match = /^(\d+)(ms|s|m)$/.exec(text);
  const value = match && Number(match[1]) * { ms: 1, s: 1000, m: 60000 }[match[2]];
  if (!match || value < 1 || value > most) {
    throw new Error(`${name} is ${text}, but must be like 30s or 2m, and at most ${most / 1000}s`);
  }
  return value;
}
