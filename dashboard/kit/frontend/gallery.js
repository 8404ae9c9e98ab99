// Thumbnails of items. Everything shown is set as text or as an address of ours, never as markup.
export default function gallery({ data, parentElement, setTriggerValue }) {
  const grid = parentElement.querySelector(".gallery");
  grid.replaceChildren(...data.items.map((item) => card(item, data, setTriggerValue)));
}

function card(item, data, setTriggerValue) {
  const box = document.createElement("button");
  box.type = "button";
  box.className = item.isChosen ? "item chosen" : "item";
  box.append(picture(item, data), lines(item));
  box.addEventListener("click", () => setTriggerValue("opened", item.id));
  return box;
}

function picture(item, data) {
  const frame = document.createElement("span");
  frame.className = "picture";
  if (!item.sha || !data.canSeePictures) {
    frame.textContent = data.noPicture;
    return frame;
  }
  const image = document.createElement("img");
  image.loading = "lazy";
  image.decoding = "async";
  image.alt = item.alt;
  image.addEventListener("error", () => frame.replaceChildren(data.noPicture), { once: true });
  image.src = `/v1/artifacts/${encodeURIComponent(item.sha)}/thumbnail`;
  frame.append(image);
  return frame;
}

function lines(item) {
  const text = document.createElement("span");
  text.className = "lines";
  for (const line of item.lines) {
    const row = document.createElement("span");
    row.className = line.tone ? `line ${line.tone}` : "line";
    if (line.name) {
      const name = document.createElement("span");
      name.className = "name";
      name.textContent = line.name;
      row.append(name, " ");
    }
    row.append(line.value);
    text.append(row);
  }
  return text;
}
