// Keeps the page in step with the person: <html lang>, and sign-out in one tab signs out the others at once.
const channel = new BroadcastChannel("soi-account");
channel.onmessage = (message) => {
  if (message.data === "signed-out") location.assign("/login");
};

export default function page({ data }) {
  document.documentElement.lang = data.language;
  if (data.leave && !page.isLeaving) {
    page.isLeaving = true;
    leave();
  }
}

async function leave() {
  try {
    await fetch("/v1/auth/logout", { method: "POST", credentials: "same-origin" });
  } finally {
    channel.postMessage("signed-out");
    location.assign("/login");
  }
}
