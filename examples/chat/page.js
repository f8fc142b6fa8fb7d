/** The chat: what was said, and a line to say something. It counts its `close` events, for it expects none. */
export const chat = (pid) => `<!doctype html>
<title>Chat, by pid ${pid}</title>
<p>You are <b id="name"></b> in <b id="room"></b>, on process <b id="pid"></b>. Closed: <b id="closed">0</b></p>
<ol></ol>
<form><input autocomplete="off" autofocus></form>
<script>
  const $ = (selector) => document.querySelector(selector);
  const { searchParams } = new URL(location.href);
  const [name, room] = [searchParams.get('name') ?? 'guest', searchParams.get('room') ?? 'lobby'];
  $('#name').textContent = name;
  $('#room').textContent = room;
  const socket = new WebSocket('ws://' + location.host + '/?' + new URLSearchParams({ name, room }));
  socket.onmessage = ({ data }) => {
    const { pid, from, text } = JSON.parse(data);
    $('#pid').textContent = pid;
    if (text === undefined) return;
    const item = document.createElement('li');
    item.textContent = from + ': ' + text;
    $('ol').append(item);
  };
  socket.onclose = () => { $('#closed').textContent = Number($('#closed').textContent) + 1; };
  $('form').onsubmit = (event) => {
    event.preventDefault();
    if ($('input').value) socket.send($('input').value);
    $('input').value = '';
  };
</script>
`;

/** The dashboard: the same log by server-sent events. Its connection ends with each restart, and resumes where it was. */
export const dashboard = (pid) => `<!doctype html>
<title>Dashboard, by pid ${pid}</title>
<p>Messages: <b id="count">0</b>, connected <b id="opened">0</b> times</p>
<ol></ol>
<script>
  const $ = (selector) => document.querySelector(selector);
  const events = new EventSource('/events');
  events.onopen = () => { $('#opened').textContent = Number($('#opened').textContent) + 1; };
  events.onmessage = ({ data }) => {
    const { room, from, text } = JSON.parse(data);
    const item = document.createElement('li');
    item.textContent = room + ', ' + from + ': ' + text;
    $('ol').append(item);
    $('#count').textContent = document.querySelectorAll('li').length;
  };
</script>
`;
