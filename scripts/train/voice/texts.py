"""Sentences written for this project, spoken by the synthesisers of `synth.py`."""

ENGLISH = """The ferry leaves the small harbour at seven and comes back before dark.
Please put the blue folder on the second shelf, next to the window.
Nobody had told the gardener that the roses were already in bloom.
We counted forty three boats on the river, most of them painted green.
If the meeting runs late, I will call you from the station.
She opened the letter slowly, read it twice and began to laugh.
The recipe needs two eggs, a cup of flour and a little patience.
After the storm, the road to the village was covered with branches.
Could you tell me where the nearest pharmacy is?
My brother repairs old radios in a workshop behind the bakery.
The committee agreed on a budget, but nobody was entirely happy.
Every morning the same grey cat waits for the milk delivery.
Your parcel has arrived and can be collected until Saturday noon.
It is colder up here than the weather report had promised.
He learned to play the violin when he was almost sixty years old.
The museum is closed on Mondays, except during the summer holidays.
I would rather walk than wait another hour for that bus.
The teacher drew a large circle and asked what it might be.
There was just enough light left to find the path home.
Our neighbours are planning to build a wooden bridge across the stream.
Thank you for your patience, someone will be with you shortly.
The train was so crowded that we stood all the way to the coast.
A good map is worth more than a fast horse in these mountains.
They sold the house in spring and moved closer to the sea.
Have you ever noticed how quiet the city gets when it snows?
The battery lasts about nine hours if you dim the screen.
Grandmother kept her buttons in a tin box that smelled of tea.
The price went up again, although nobody could explain the reason.
Turn left at the church, then follow the signs to the old mill.
The choir practises on Thursday evenings in the school hall.
I forgot my umbrella, so of course it started raining.
The engineer checked the valve, shook her head and wrote a number down.
Most visitors come for the waterfall and stay for the food.
He said the answer was simple, and then talked for twenty minutes.
The lights went out just as the magician lifted the hat.
We are going to need a longer ladder and a steadier hand.""".split("\n")

ITALIAN = """Domani mattina il treno parte alle otto dal secondo binario.
La bambina ha lasciato il libro sul tavolo della cucina.
Se piove ancora, resteremo a casa a giocare a carte.
Il mercato del paese apre presto e chiude prima di mezzogiorno.
Abbiamo camminato per ore lungo la riva del lago.
Mio zio prepara il pane nel vecchio forno di pietra.
La finestra era aperta e si sentiva il rumore del mare.
Non so ancora se potremo venire alla festa di sabato.""".split("\n")

CZECH = """Zítra ráno pojedeme vlakem do malého města u řeky.
Babička dala na stůl chléb, máslo a čerstvý med.
V zahradě za domem kvetou červené a bílé růže.
Pokud bude pršet, zůstaneme doma a budeme číst knihy.
Nový most přes potok postavili sousedé minulé léto.
Děti si hrály na louce až do pozdního večera.
Prosím vás, kde je tady nejbližší lékárna?
Kniha leží na druhé polici vedle okna.""".split("\n")

FINNISH = """Huomenna aamulla juna lähtee kello kahdeksan.
Lapset leikkivät pihalla myöhään iltaan asti.
Isoäiti laittoi pöydälle leipää, voita ja hunajaa.
Jos sataa, jäämme kotiin lukemaan kirjoja.
Punainen vene on sidottu vanhaan laituriin.
Missä on lähin apteekki, voitteko neuvoa?
Kissa odottaa joka aamu samaa maitoautoa.
Kirja on toisella hyllyllä ikkunan vieressä.""".split("\n")

CATALAN = """Demà al matí el tren surt a les vuit en punt.
La nena va deixar el llibre damunt la taula de la cuina.
Si plou, ens quedarem a casa jugant a cartes.
El mercat del poble obre molt aviat cada dissabte.
Vam caminar durant hores per la vora del llac.
La finestra era oberta i se sentia el soroll del mar.
El meu oncle fa el pa en un forn de pedra molt vell.
No sabem encara si podrem venir a la festa.""".split("\n")

JAPANESE = """明日の朝、電車は八時に出発します。
おばあさんは机の上にパンと蜂蜜を置きました。
雨が降ったら、家で本を読みましょう。
子供たちは夕方まで公園で遊んでいました。
一番近い薬局はどこにありますか。
赤い船が古い港に着きました。
窓が開いていて、海の音が聞こえました。
その本は二番目の棚にあります。""".split("\n")

SPANISH = """Mañana por la mañana el tren sale a las ocho en punto.
La niña dejó el libro sobre la mesa de la cocina.
Si llueve, nos quedaremos en casa jugando a las cartas.
El mercado del pueblo abre muy temprano los sábados.""".split("\n")

GERMAN = """Morgen früh fährt der Zug um acht Uhr vom zweiten Gleis.
Das Kind hat das Buch auf dem Küchentisch liegen lassen.
Wenn es regnet, bleiben wir zu Hause und spielen Karten.
Der Markt im Dorf öffnet samstags schon sehr früh.""".split("\n")

FRENCH = """Demain matin le train part à huit heures précises.
La petite fille a laissé le livre sur la table de la cuisine.
S'il pleut, nous resterons à la maison pour jouer aux cartes.
Le marché du village ouvre très tôt le samedi.""".split("\n")
