// The few calls the bench makes, same origin, with the person's cookie. Every failure says what it means:
// "unreachable" (try again), "signed_out" (sign in, then try again) or "refused" (trying again is useless).

export class ApiFailure extends Error {
  constructor(kind, status, code, message, retryAfterMs = null) {
    super(message);
    this.kind = kind;
    this.status = status;
    this.code = code;
    this.retryAfterMs = retryAfterMs;
  }
}

function kindOf(status) {
  if (status === 401) return "signed_out";
  if (status === 408 || status === 429 || status >= 500) return "unreachable";
  return "refused";
}

async function failureOf(answer) {
  let error = {};
  try {
    error = (await answer.json()).error ?? {};
  } catch {
    // not JSON: a proxy's page; the status says enough
  }
  const wait = Number(answer.headers.get("retry-after"));
  const code = error.code ?? `http_${answer.status}`;
  const retryAfterMs = wait > 0 ? wait * 1000 : null;
  return new ApiFailure(kindOf(answer.status), answer.status, code, error.message ?? code, retryAfterMs);
}

export function makeApi(fetchFn, base = "", timeoutMs = 15000) {
  async function send(method, path, body, options = {}) {
    const aborter = new AbortController();
    const timer = setTimeout(() => aborter.abort(), timeoutMs);
    try {
      const answer = await fetchFn(base + path, {
        method,
        credentials: "same-origin",
        redirect: "error",
        signal: aborter.signal,
        headers: body === undefined ? {} : { "content-type": "application/json" },
        body: body === undefined ? undefined : JSON.stringify(body),
        ...options,
      });
      if (!answer.ok) throw await failureOf(answer);
      return answer;
    } catch (error) {
      if (error instanceof ApiFailure) throw error;
      throw new ApiFailure("unreachable", 0, "unreachable", String(error.message ?? error));
    } finally {
      clearTimeout(timer);
    }
  }
  const json = async (method, path, body, options) => (await send(method, path, body, options)).json();
  const task = (id) => `/v1/review-tasks/${encodeURIComponent(id)}`;

  return {
    claim: (body) => json("POST", "/v1/review-tasks/claim", body),
    heartbeat: (id, lease_token) => json("POST", `${task(id)}/heartbeat`, { lease_token }),
    decide: (id, body) => json("POST", `${task(id)}/decide`, body),
    context: (id) => json("GET", `${task(id)}/context`),
    reveal: (id, after_ms) => json("POST", `${task(id)}/reveal`, { after_ms }),
    undo: (body) => json("POST", "/v1/review-tasks/undo", body),
    release: (tasks, options) => send("POST", "/v1/review-tasks/release", { leases: tasks }, options),
    progress: (model) => json("GET", `/v1/review-tasks/progress?model=${encodeURIComponent(model)}`),
    me: () => json("GET", "/v1/auth/me"),
    savePreferences: (preferences) => json("PATCH", "/v1/auth/me", { preferences }),
    artifactUrl: (sha256) => `${base}/v1/artifacts/${encodeURIComponent(sha256)}`,
    artifact: async (sha256) => (await send("GET", `/v1/artifacts/${encodeURIComponent(sha256)}`)).blob(),
  };
}
