"""ImageNet's classes in words, and what photographs of them show.

The words and glosses are WordNet's (Miller 1995), as they come with timm; the tables are our own
knowledge of the classes, taken from no data set.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

import numpy as np

from veneer.pretraining.words import AXES, closeness, with_article

_LONGEST_GLOSS = 140

# Classes whose first word means something else as well, or nothing to most people.
_NAMES: dict[int, str] = {
    7: "rooster",
    17: "blue jay",
    21: "kite bird",
    27: "eft newt",
    40: "anole lizard",
    70: "daddy longlegs spider",
    78: "tick bug",
    87: "African grey parrot",
    97: "mallard duck",
    101: "elephant with tusks",
    112: "conch shell",
    116: "chiton mollusk",
    132: "white egret",
    134: "crane bird",
    157: "papillon dog",
    161: "basset hound",
    164: "bluetick coonhound",
    168: "redbone coonhound",
    191: "Airedale terrier",
    192: "cairn terrier",
    195: "Boston terrier",
    204: "Lhasa apso dog",
    216: "clumber spaniel",
    217: "English springer spaniel",
    222: "kuvasz dog",
    223: "schipperke dog",
    224: "groenendael dog",
    225: "malinois dog",
    226: "briard dog",
    227: "kelpie dog",
    228: "komondor dog",
    231: "collie dog",
    233: "Bouvier des Flandres dog",
    240: "Appenzeller dog",
    241: "EntleBucher dog",
    242: "boxer dog",
    246: "Great Dane dog",
    247: "Saint Bernard dog",
    248: "husky dog",
    251: "dalmatian dog",
    254: "pug dog",
    255: "Leonberger dog",
    256: "Newfoundland dog",
    257: "Great Pyrenees dog",
    258: "Samoyed dog",
    259: "Pomeranian dog",
    260: "chow chow dog",
    263: "Pembroke Welsh corgi",
    264: "Cardigan Welsh corgi",
    281: "tabby cat",
    290: "jaguar cat",
    296: "polar bear",
    308: "housefly",
    312: "cricket insect",
    313: "stick insect",
    315: "praying mantis",
    321: "red admiral butterfly",
    322: "ringlet butterfly",
    323: "monarch butterfly",
    326: "lycaenid butterfly",
    330: "cottontail rabbit",
    332: "Angora rabbit",
    339: "sorrel horse",
    341: "pig",
    348: "ram sheep",
    349: "bighorn sheep",
    352: "impala antelope",
    370: "guenon monkey",
    371: "patas monkey",
    375: "colobus monkey",
    378: "capuchin monkey",
    380: "titi monkey",
    383: "ring-tailed lemur",
    384: "indri lemur",
    387: "red panda",
    389: "barracouta fish",
    391: "coho salmon",
    392: "rock beauty fish",
    393: "clownfish",
    395: "gar fish",
    397: "pufferfish",
    408: "amphibious vehicle",
    412: "trash can",
    417: "hot-air balloon",
    418: "ballpoint pen",
    428: "wheelbarrow",
    436: "station wagon",
    437: "lighthouse",
    439: "bearskin hat",
    444: "tandem bicycle",
    446: "ring binder",
    456: "archery bow",
    458: "brass memorial plaque",
    459: "bra",
    464: "belt buckle",
    468: "taxi",
    477: "tool kit",
    481: "cassette tape",
    487: "mobile phone",
    489: "chain-link fence",
    492: "wooden chest",
    493: "chest of drawers",
    494: "wind chime",
    498: "movie theater",
    502: "clog shoe",
    506: "spiral coil",
    513: "trumpet",
    517: "construction crane",
    520: "baby crib",
    521: "slow cooker",
    533: "dishcloth",
    536: "ship dock",
    540: "oil rig",
    553: "file cabinet",
    570: "gas mask",
    575: "golf cart",
    578: "evening gown",
    581: "car grille",
    584: "hair clip",
    589: "hair dryer",
    590: "handheld computer",
    595: "combine harvester",
    602: "gymnast on a horizontal bar",
    606: "clothes iron",
    608: "blue jeans",
    610: "T-shirt",
    612: "rickshaw",
    626: "cigarette lighter",
    628: "ocean liner",
    630: "loafer shoe",
    631: "bottle of lotion",
    638: "woman in a swimsuit",
    639: "one-piece swimsuit",
    643: "face mask",
    646: "hedge maze",
    648: "medicine cabinet",
    661: "Model T car",
    664: "computer monitor",
    666: "mortar and pestle",
    667: "graduation cap",
    673: "computer mouse",
    676: "dog muzzle",
    677: "metal nail",
    680: "baby bottle nipple",
    681: "notebook computer",
    687: "pipe organ",
    693: "boat paddle",
    697: "pajamas",
    705: "railway passenger car",
    707: "pay phone",
    711: "perfume bottle",
    714: "guitar pick",
    715: "spiked helmet",
    717: "pickup truck",
    724: "pirate ship",
    725: "water pitcher",
    726: "carpenter's plane",
    731: "toilet plunger",
    733: "wooden pole",
    737: "plastic soda bottle",
    738: "flowerpot",
    744: "rocket missile",
    746: "hockey puck",
    749: "quill pen",
    751: "race car",
    752: "tennis racket",
    758: "fishing reel",
    769: "ruler",
    771: "steel safe",
    776: "saxophone",
    778: "weighing scale",
    782: "computer screen",
    789: "shoji paper screen",
    800: "slot machine",
    810: "space bar of a keyboard",
    824: "shawl",
    834: "man in a suit",
    836: "pair of sunglasses",
    840: "mop",
    843: "child on a swing",
    844: "light switch",
    847: "army tank",
    850: "teddy bear",
    862: "burning torch",
    876: "wooden tub",
    881: "upright piano",
    882: "vacuum cleaner",
    884: "vaulted ceiling",
    887: "priest's vestment",
    897: "washing machine",
    905: "window blind",
    908: "airplane wing",
    913: "shipwreck",
    921: "book cover",
    923: "plate of food",
    925: "consomme soup",
    926: "hot pot stew",
    927: "trifle dessert",
    930: "loaf of bread",
    948: "green apple",
    950: "orange fruit",
    959: "carbonara pasta",
    970: "mountain",
    971: "soap bubble",
    981: "baseball player",
    982: "bride and groom at a wedding",
    989: "rose hip",
    990: "horse chestnut",
    992: "agaric mushroom",
    993: "gyromitra mushroom",
    994: "stinkhorn mushroom",
    995: "earthstar mushroom",
    997: "bolete mushroom",
    998: "ear of corn",
    999: "toilet paper",
}

# What photographs of a class show of an attribute or a material. Classes by any of their words.
_SHOWN: dict[str, str] = {
    "banded": "banded gecko, ringneck snake, king snake, lionfish, alp, cliff, valley",
    "blotchy": (
        "leopard, jaguar, snow leopard, African hunting dog, European fire salamander, hyena, "
        "bluetick, common newt, rock python, boa constrictor, Gila monster"
    ),
    "braided": "pretzel, knot, French loaf, bolo tie, necklace, coil",
    "bubbly": "bubble, jellyfish, eggnog, Petri dish, bathtub, consomme, espresso, beer glass",
    "bumpy": (
        "custard apple, jackfruit, strawberry, corn, ear, pineapple, brain coral, sea urchin, "
        "cauliflower, tailed frog, golf ball, hen-of-the-woods, gyromitra, spaghetti squash, "
        "coral fungus, chiton, Gila monster, starfish, acorn squash"
    ),
    "chequered": "racer, crossword puzzle, kimono, dishrag, handkerchief, quilt, scoreboard",
    "cobwebbed": "spider web, garden spider, barn spider, black and gold garden spider",
    "cracked": (
        "loggerhead, leatherback turtle, box turtle, African elephant, Indian elephant, tusker, "
        "jigsaw puzzle, cliff"
    ),
    "crosshatched": "window screen, racket, grille, strainer, fire screen",
    "crystalline": "geyser, goblet, perfume, ice lolly, saltshaker, Petri dish",
    "dotted": "ladybug, cheetah, leopard, abacus, strainer, spotted salamander",
    "fibrous": "hay, broom, thatch, wool, mop, Afghan hound, komondor",
    "flecked": "cheetah, coho, spotted salamander, quail, ptarmigan, ruffed grouse, partridge",
    "frilly": (
        "hoopskirt, feather boa, bonnet, sea slug, overskirt, coral reef, head cabbage, "
        "sea anemone, frilled lizard"
    ),
    "gauzy": "mosquito net, shower curtain, window shade, jellyfish",
    "grid": (
        "crossword puzzle, window screen, shoji, grille, waffle iron, computer keyboard, "
        "typewriter keyboard, picket fence, crate"
    ),
    "grooved": (
        "tile roof, car wheel, radiator, accordion, stove, disk brake, conch, thatch, screw, "
        "trilobite, acorn squash"
    ),
    "honeycombed": "honeycomb, apiary",
    "interlaced": "knot, chain mail, chainlink fence, hamper, shopping basket, chain",
    "knitted": "cardigan, wool, mitten, sock, sweatshirt, Christmas stocking, stole, poncho",
    "lacelike": "lacewing, bonnet, gown, brassiere, handkerchief",
    "lined": (
        "slide rule, rule, comic book, menu, shoji, window shade, crossword puzzle, bookcase, "
        "harp, library"
    ),
    "marbled": "ice cream, snail",
    "matted": (
        "komondor, Old English sheepdog, briard, otterhound, three-toed sloth, fur coat, "
        "Scotch terrier, Irish water spaniel"
    ),
    "meshed": (
        "chainlink fence, chain mail, window screen, mosquito net, strainer, shopping cart, "
        "grille, fire screen"
    ),
    "paisley": "bolo tie, Windsor tie, sarong, handkerchief, prayer rug",
    "perforated": (
        "strainer, space heater, radiator, harmonica, loudspeaker, manhole cover, honeycomb"
    ),
    "pitted": "golf ball, thimble, orange, manhole cover, strawberry, lemon",
    "pleated": (
        "kimono, theater curtain, miniskirt, overskirt, hoopskirt, accordion, lampshade, "
        "shower curtain"
    ),
    "polka-dotted": "dalmatian, ladybug, bikini",
    "porous": "French loaf, coral reef, bolete, honeycomb, waffle iron, sea cucumber, brain coral",
    "potholed": "sandbar, geyser",
    "scaly": (
        "common iguana, American alligator, African crocodile, green snake, Indian cobra, "
        "diamondback, rock python, tench, goldfish, armadillo, Komodo dragon, agama, chain mail, "
        "artichoke, coho, gar, pineapple, whiptail, alligator lizard, frilled lizard, "
        "green lizard, water snake, night snake, hognose snake, sea snake, vine snake, "
        "green mamba, horned viper, sidewinder"
    ),
    "smeared": "chocolate sauce, lotion, guacamole, face powder, lipstick, paintbrush",
    "spiralled": "snail, chambered nautilus, coil, conch, corkscrew, spindle",
    "sprinkled": "trifle, ice cream, confectionery, bagel, pizza",
    "stained": "dishrag, doormat, wreck",
    "stratified": "cliff, cliff dwelling, promontory, valley",
    "striped": (
        "zebra, tiger, tiger cat, tabby, tiger shark, rock beauty, bee, garter snake, "
        "king snake, skunk, barber chair, anemone fish, monarch"
    ),
    "studded": "bulletproof vest, buckle, breastplate, holster, cuirass, chest",
    "swirly": "ice cream, chambered nautilus, conch, espresso, pinwheel",
    "veined": (
        "head cabbage, cabbage butterfly, leafhopper, monarch, damselfly, cicada, dragonfly, "
        "lacewing"
    ),
    "waffled": "waffle iron",
    "woven": (
        "hamper, shopping basket, doormat, prayer rug, sombrero, bassinet, wool, velvet, quilt, "
        "studio couch, rocking chair, thatch"
    ),
    "wrinkled": (
        "bloodhound, bull mastiff, pug, African elephant, Indian elephant, basset, "
        "shower curtain, quilt, pillow, plastic bag, sleeping bag, French bulldog"
    ),
    "zigzagged": "worm fence, prayer rug, sidewinder, stole",
    "brick": "stone wall, bakery, prison",
    "carpet": "prayer rug, doormat, velvet",
    "ceramic": (
        "teapot, vase, toilet seat, washbasin, soup bowl, coffee mug, cup, pitcher, pot, "
        "piggy bank, plate, bathtub, whiskey jug, mixing bowl, ocarina, coffeepot"
    ),
    "fabric": (
        "velvet, wool, quilt, pillow, bath towel, handkerchief, dishrag, shower curtain, "
        "theater curtain, jean, jersey, cardigan, sweatshirt, sarong, kimono, suit, bow tie, "
        "studio couch, cloak, stole, apron, pajama, sock, mitten, sleeping bag, diaper, bib, "
        "backpack, mailbag, gown, overskirt, miniskirt, poncho, trench coat, vestment, lab coat, "
        "Windsor tie, abaya, academic gown, mountain tent, parachute"
    ),
    "foliage": (
        "greenhouse, head cabbage, cardoon, artichoke, broccoli, pot, leafhopper, green mamba, "
        "vine snake, maze, rapeseed"
    ),
    "food": (
        "guacamole, consomme, hot pot, trifle, ice cream, French loaf, bagel, pretzel, "
        "cheeseburger, hotdog, mashed potato, carbonara, meat loaf, pizza, potpie, burrito, "
        "chocolate sauce, dough, plate, grocery store, bakery, butcher shop, confectionery"
    ),
    "glass": (
        "beer glass, beer bottle, wine bottle, goblet, beaker, hourglass, perfume, pop bottle, "
        "red wine, cocktail shaker, whiskey jug, water jug, vase, measuring cup, Petri dish, "
        "lens cap, saltshaker, eggnog, pill bottle, greenhouse, loupe, china cabinet"
    ),
    "hair": (
        "wig, hair slide, Afghan hound, Yorkshire terrier, hand blower, Angora, silky terrier, "
        "hair spray, barbershop"
    ),
    "leather": (
        "wallet, purse, holster, Loafer, cowboy boot, punching bag, football helmet, scabbard, "
        "baseball, mailbag, buckle, muzzle, sandal, cowboy hat, rugby ball, studio couch"
    ),
    "metal": (
        "can opener, nail, screw, screwdriver, hammer, hook, chain, padlock, combination lock, "
        "safe, corkscrew, cleaver, frying pan, wok, ladle, caldron, cocktail shaker, strainer, "
        "milk can, thimble, buckle, safety pin, hatchet, disk brake, manhole cover, radiator, "
        "breastplate, cuirass, chain mail, oil filter, steel drum, bucket, bottlecap, cornet, "
        "trombone, French horn, sax, coil, iron, espresso maker, lighter, face powder, "
        "pencil sharpener, switch, mousetrap, Dutch oven, spatula, letter opener, car wheel, "
        "toaster, tray, washer, steel arch bridge, whistle, stethoscope, dumbbell, barbell, "
        "hard disc, modem, car mirror, gong, chime, coffeepot, scabbard, cannon, revolver, "
        "shovel, brass, flute, mailbox, file, drilling platform, shield, refrigerator"
    ),
    "mirror": "car mirror, medicine chest, sunglass, sunglasses",
    "painted": "totem pole, carousel, paintbrush, mask",
    "paper": (
        "envelope, toilet tissue, paper towel, menu, book jacket, comic book, crossword puzzle, "
        "binder, packet, jigsaw puzzle, web site, handkerchief, Band Aid, diaper, shoji, "
        "letter opener, rule, photocopier, bookshop"
    ),
    "plastic": (
        "water bottle, pop bottle, plastic bag, lotion, sunscreen, bucket, soap dispenser, "
        "hair spray, pill bottle, shower cap, remote control, joystick, ballpoint, nipple, "
        "measuring cup, syringe, water jug, tub, shower curtain, mouse, rubber eraser, lighter, "
        "cassette, whistle, packet, tray, spatula, toyshop, folding chair, plunger, hair slide"
    ),
    "polished stone": "altar, vault, pedestal, obelisk, washbasin",
    "skin": "bathing cap, maillot, bikini, swimming trunks, Band Aid",
    "sky": (
        "alp, parachute, kite, airship, balloon, wing, flagpole, warplane, airliner, "
        "water tower, volcano, bald eagle"
    ),
    "stone": (
        "stone wall, cliff, megalith, castle, cliff dwelling, monastery, dam, breakwater, "
        "triumphal arch, obelisk, promontory, mortar, viaduct, stupa, pedestal, fountain, "
        "sundial, church, rock crab"
    ),
    "tile": "tile roof, bathtub, shower curtain, washbasin, prayer rug",
    "wallpaper": "quilt, window shade",
    "water": (
        "lakeside, seashore, geyser, fountain, dam, sandbar, breakwater, grey whale, "
        "killer whale, sea lion, speedboat, canoe, coral reef, scuba diver, bubble, consomme, "
        "paddle, snorkel, pier, dock, submarine, yawl, catamaran, trimaran, gondola, "
        "jellyfish, stingray, hippopotamus"
    ),
    "wood": (
        "wooden spoon, barrel, chest, crate, desk, wardrobe, chiffonier, bookcase, "
        "dining table, park bench, picket fence, worm fence, violin, cello, acoustic guitar, "
        "lumbermill, barn, marimba, totem pole, spindle, rocking chair, cradle, four-poster, "
        "folding chair, birdhouse, upright, banjo, matchstick, medicine chest, throne, "
        "plate rack, drumstick, bannister, pier, boathouse, plane, paddle, oxcart, abacus, "
        "pole, rain barrel, crib, shoji, mousetrap, rule"
    ),
    "cardboard": "carton, crate, envelope, packet, binder, pencil box, file, chest, mailbox",
    "concrete": "dam, breakwater, viaduct, patio, parking meter",
    "grass": (
        "lawn mower, golfcart, hay, croquet ball, soccer ball, golf ball, rapeseed, ballplayer, ox"
    ),
    "sand": "sandbar, seashore, sidewinder, Arabian camel, horned viper",
    "gravel": "stone wall, rock crab, ruddy turnstone",
    "rust": "wreck, manhole cover, milk can, steel drum, radiator, half track",
    "fur": (
        "fur coat, Persian cat, Samoyed, komondor, hamster, Angora, bearskin, chow, teddy, "
        "red fox, ice bear, Arctic fox, giant panda, lesser panda, koala, brown bear, "
        "American black bear, guinea pig, Pomeranian, Newfoundland, skunk, mink, otter, beaver"
    ),
    "asphalt": "manhole cover, parking meter, street sign, racer",
    "trash": (
        "ashcan, garbage truck, plastic bag, diaper, wreck, packet, mousetrap, doormat, dishrag, "
        "bottlecap"
    ),
}

# What people call runs of classes, whose order is WordNet's: first, last, word.
_RUNS: tuple[tuple[int, int, str], ...] = (
    (0, 6, "fish"),
    (2, 4, "shark"),
    (7, 8, "chicken"),
    (7, 24, "bird"),
    (25, 29, "salamander"),
    (30, 32, "frog"),
    (33, 37, "turtle"),
    (38, 48, "lizard"),
    (49, 50, "crocodile"),
    (51, 51, "dinosaur"),
    (52, 68, "snake"),
    (69, 69, "fossil"),
    (70, 77, "spider"),
    (80, 100, "bird"),
    (97, 97, "duck"),
    (104, 104, "kangaroo"),
    (107, 109, "sea creature"),
    (110, 111, "worm"),
    (112, 112, "seashell"),
    (118, 121, "crab"),
    (122, 124, "lobster"),
    (127, 146, "bird"),
    (147, 148, "whale"),
    (149, 150, "seal"),
    (151, 268, "dog"),
    (269, 272, "wolf"),
    (273, 275, "wild dog"),
    (277, 280, "fox"),
    (281, 285, "cat"),
    (286, 287, "wild cat"),
    (288, 293, "big cat"),
    (294, 297, "bear"),
    (300, 307, "beetle"),
    (308, 320, "insect"),
    (321, 326, "butterfly"),
    (330, 332, "rabbit"),
    (335, 335, "squirrel"),
    (339, 339, "horse"),
    (341, 343, "pig"),
    (345, 347, "cow"),
    (348, 349, "sheep"),
    (350, 350, "goat"),
    (351, 353, "antelope"),
    (354, 355, "camel"),
    (365, 369, "ape"),
    (370, 382, "monkey"),
    (385, 386, "elephant"),
    (389, 397, "fish"),
)

# The same for single classes, and what else their photographs tend to show.
_EVERYDAY: dict[str, str] = {
    "person": (
        "academic gown, abaya, apron, jersey, suit, sweatshirt, jean, cowboy hat, sombrero, "
        "running shoe, sunglass, sunglasses, lab coat, military uniform, mortarboard, wig, stage, "
        "ballplayer, scuba diver, hair spray, neck brace, bathing cap, snorkel, ski mask, "
        "oxygen mask, crash helmet, football helmet, bulletproof vest, trench coat, poncho, cloak, "
        "cardigan, Windsor tie, bow tie, gasmask, stethoscope, harmonica, barbershop, crutch, "
        "miniskirt, fur coat, bonnet, microphone, mask, Band Aid, backpack, cellular telephone"
    ),
    "man": (
        "suit, Windsor tie, bow tie, jersey, ballplayer, bolo tie, cowboy hat, groom, lab coat, "
        "military uniform, sweatshirt, barbershop, crash helmet, swimming trunks, bulletproof vest"
    ),
    "woman": (
        "gown, maillot, bikini, miniskirt, hoopskirt, overskirt, kimono, sarong, brassiere, "
        "lipstick, wig, hair spray, bonnet, abaya, groom, fur coat"
    ),
    "baby": "diaper, bib, bassinet, crib, cradle, bonnet, nipple, pajama",
    "child playing": "swing, teddy, bib, tricycle, toyshop, bathing cap, sandbar",
    "human face": (
        "wig, lipstick, sunglasses, neck brace, hair spray, mask, bow tie, Windsor tie, "
        "oxygen mask, ski mask, bonnet, face powder, Band Aid, bolo tie"
    ),
    "crowd of people": ("stage, theater curtain, cinema, balance beam, scoreboard, restaurant"),
    "shirt": "jersey, sweatshirt, suit, cardigan, bow tie, Windsor tie",
    "T-shirt": "jersey",
    "sweater": "cardigan, sweatshirt, wool, poncho",
    "trousers": "jean, pajama, swimming trunks",
    "jacket": "suit, trench coat, lab coat, military uniform, fur coat, bulletproof vest",
    "coat": "trench coat, fur coat, lab coat, cloak, academic gown",
    "dress": "gown, overskirt, hoopskirt, kimono, sarong, miniskirt",
    "skirt": "miniskirt, overskirt, hoopskirt, sarong",
    "shoe": "running shoe, Loafer, clog, sandal, cowboy boot, shoe shop",
    "boot": "cowboy boot",
    "hat": "cowboy hat, sombrero, bonnet, mortarboard, bearskin",
    "cap": "bathing cap, shower cap, mortarboard",
    "scarf": "stole, feather boa, handkerchief",
    "tie": "Windsor tie, bow tie, bolo tie",
    "belt": "buckle",
    "bag": "purse, backpack, mailbag, plastic bag, sleeping bag",
    "handbag": "purse",
    "wallet": "wallet, purse",
    "watch": "digital watch, stopwatch, analog clock",
    "clock": "analog clock, wall clock, digital clock",
    "jewellery": "necklace, bolo tie, safety pin",
    "glasses": "sunglass, sunglasses, loupe",
    "underwear": "brassiere, bikini, swimming trunks, diaper",
    "socks": "sock, Christmas stocking",
    "gloves": "mitten",
    "make-up": "lipstick, face powder, lotion, perfume, sunscreen, hair spray",
    "clothes": "jersey, jean, cardigan, sweatshirt, suit, gown, hamper, wardrobe",
    "airplane": "airliner, warplane, wing",
    "motorbike": "moped, motor scooter, crash helmet",
    "car": (
        "convertible, sports car, cab, limousine, minivan, jeep, beach wagon, racer, Model T, "
        "police van, car wheel, pickup, grille, car mirror"
    ),
    "truck": "trailer truck, tow truck, garbage truck, fire engine, moving van, pickup",
    "train": ("steam locomotive, electric locomotive, bullet train, passenger car, freight car"),
    "bus": "school bus, minibus, trolleybus",
    "boat": ("speedboat, canoe, gondola, catamaran, trimaran, schooner, yawl, lifeboat, fireboat"),
    "ship": "container ship, liner, aircraft carrier, schooner, pirate, wreck",
    "bicycle": "mountain bike, bicycle-built-for-two, tricycle, unicycle",
    "cyclist riding a bicycle": "mountain bike, bicycle-built-for-two",
    "beach": "seashore, sandbar, bikini, swimming trunks, lakeside",
    "ocean waves": "seashore, breakwater, promontory",
    "mountain landscape": "alp, valley, volcano, cliff",
    "lake": "lakeside, boathouse, canoe",
    "snow": "ski, alp, dogsled, snowmobile, bobsled, snowplow",
    "skier in the snow": "ski",
    "person climbing a rock": "cliff",
    "person playing soccer": "soccer ball",
    "football player": "football helmet, rugby ball",
    "person playing basketball": "basketball",
    "person playing tennis": "tennis ball, racket",
    "baseball game": "ballplayer, baseball",
    "ball": (
        "soccer ball, tennis ball, basketball, volleyball, baseball, golf ball, rugby ball, "
        "croquet ball, ping-pong ball"
    ),
    "person swimming in the water": ("bathing cap, snorkel, scuba diver, swimming trunks, maillot"),
    "street in a city": (
        "streetcar, cab, traffic light, street sign, trolleybus, parking meter, minibus, park bench"
    ),
    "building": (
        "palace, church, mosque, castle, monastery, dome, library, cinema, bell cote, prison"
    ),
    "house": "mobile home, barn, boathouse, patio, birdhouse",
    "kitchen": "stove, microwave, dishwasher, refrigerator, toaster",
    "bedroom": "four-poster, quilt, pillow, studio couch",
    "bathroom": "toilet seat, washbasin, bathtub, tub, medicine chest",
    "furniture": "desk, dining table, wardrobe, bookcase, chiffonier, table lamp, rocking chair",
    "chair": "rocking chair, folding chair, barber chair, throne",
    "sofa": "studio couch",
    "table": "dining table, desk, pool table",
    "lamp": "table lamp, lampshade, spotlight, torch",
    "cup of coffee": "cup, coffee mug, espresso, eggnog",
    "bottle": "beer bottle, wine bottle, pop bottle, water bottle, pill bottle",
    "glass bottle": "beer bottle, wine bottle, whiskey jug",
    "plastic bottle": "water bottle, pop bottle, pill bottle, lotion, sunscreen",
    "can": "milk can, ashcan, oil filter, steel drum",
    "cardboard box": "carton, crate, packet",
    "packaging": "carton, packet, envelope, plastic bag, pill bottle",
    "paper": "envelope, toilet tissue, paper towel, notebook, menu",
    "waste": "ashcan, garbage truck, plastic bag, wreck",
    "trash": "ashcan, garbage truck, plastic bag",
    "musical instrument": (
        "violin, cello, acoustic guitar, electric guitar, banjo, sax, trombone, cornet, "
        "French horn, flute, oboe, bassoon, harp, drum, accordion, grand piano, upright, marimba"
    ),
    "guitar": "acoustic guitar, electric guitar, banjo",
    "piano": "grand piano, upright",
    "computer": ("laptop, notebook, desktop computer, screen, monitor, computer keyboard, mouse"),
    "phone": "cellular telephone, dial telephone, pay-phone, iPod",
    "camera": "reflex camera, Polaroid camera",
    "toy": "teddy, toyshop, pinwheel, tricycle, jigsaw puzzle",
    "flower": "daisy, yellow lady's slipper, rapeseed, pot, cardoon, vase",
    "mushroom": "agaric, bolete, earthstar, gyromitra, stinkhorn, hen-of-the-woods, mushroom",
    "fruit": (
        "orange, lemon, banana, strawberry, pineapple, fig, pomegranate, Granny Smith, "
        "custard apple, jackfruit"
    ),
    "apple": "Granny Smith",
    "vegetables": (
        "broccoli, cauliflower, cucumber, zucchini, bell pepper, head cabbage, artichoke, "
        "acorn squash, butternut squash"
    ),
    "bread": "French loaf, bagel, pretzel, dough, bakery",
    "dessert": "ice cream, trifle, ice lolly, chocolate sauce",
    "tree": "acorn, buckeye, fig, lumbermill, lakeside, valley",
    "forest": "valley, lakeside, megalith",
    "grass": "hay, croquet ball, golf ball",
    "dog with a ball in its mouth": "tennis ball",
    "page of text": "menu, crossword puzzle, web site, book jacket, envelope, packet",
    "drawing": "comic book, web site, book jacket",
    "book": "book jacket, comic book, library, bookshop, bookcase",
    "gun": "revolver, rifle, assault rifle",
    "knife": "cleaver, letter opener",
    "rocket": "missile, projectile, space shuttle",
    "astronaut": "space shuttle",
}
_UNCOUNTED = (
    *("bread", "fruit", "furniture", "grass", "jewellery", "make-up", "packaging", "paper"),
    *("snow", "trash", "underwear", "waste"),
)


@cache
def wordnet() -> tuple[tuple[tuple[str, ...], str], ...]:
    """The 21 841 nouns of ImageNet-22k in their order, each with its words and its gloss."""
    return _entries("imagenet-22k")


@cache
def class_words() -> tuple[tuple[tuple[str, ...], str], ...]:
    """The 1000 classes of ImageNet-1k in their order, each with its words and its gloss."""
    return _entries("imagenet-1k")


def class_names() -> list[str]:
    """One name a class, in the order of the classes: the first word, or a clearer one."""
    return [_NAMES.get(number, words[0]) for number, (words, _) in enumerate(class_words())]


def class_texts() -> list[list[str]]:
    """Short texts for each of the 1000 classes: prompts, other words for it, and its gloss."""
    return [
        [
            f"a photo of {with_article(name.lower())}",
            name.lower(),
            f"a picture of {with_article(name.lower())}",
            *(f"a photo of {with_article(word.lower())}" for word in words[1:3]),
            gloss,
        ]
        for name, (words, gloss) in zip(class_names(), class_words(), strict=True)
    ]


def everyday_texts() -> list[list[str]]:
    """What else people say of photographs of each of the 1000 classes; for some nothing.

    Raises
    ------
    ValueError
        When a table names what is no class.
    """
    found: list[list[str]] = [[] for _ in class_words()]
    for first, last, word in _RUNS:
        for number in range(first, last + 1):
            found[number].append(f"a photo of {with_article(word)}")
    for word, classes in _EVERYDAY.items():
        noun = word if word in _UNCOUNTED else with_article(word)
        for number in numbers_of(classes.split(", ")):
            found[number].append(f"a photo of {noun}")
    return found


def class_attributes() -> np.ndarray:
    """What photographs of each class show of each axis: float32 [1000, 91], axes as in AXES.

    Raises
    ------
    ValueError
        When the table names what is no class.
    """
    shown = np.zeros((len(class_words()), len(AXES)), np.float32)
    for axis, classes in _SHOWN.items():
        rows = numbers_of(classes.split(", "))
        shown[rows] = np.maximum(shown[rows], closeness()[AXES.index(axis)])
    return shown


def numbers_of(names: Iterable[str]) -> list[int]:
    """The numbers of the classes that have these words, in order, each once.

    A first word stands for its class alone, or for all classes that begin with it; any other word
    for the classes that have it. Capitals count: ``cardigan`` is no ``Cardigan``.

    Raises
    ------
    ValueError
        That lists the names which no class has.
    """
    first, others = _class_index()
    names = list(names)
    unknown = [name for name in names if name not in first and name not in others]
    if unknown:
        raise ValueError(f"no class of ImageNet is called {', '.join(unknown)}")
    return sorted({number for name in names for number in first.get(name) or others[name]})


@cache
def _class_index() -> tuple[dict[str, list[int]], dict[str, list[int]]]:
    first: dict[str, list[int]] = {}
    others: dict[str, list[int]] = {}
    for number, (words, _) in enumerate(class_words()):
        first.setdefault(words[0], []).append(number)
        for word in words[1:]:
            others.setdefault(word, []).append(number)
    return first, others


def _entries(subset: str) -> tuple[tuple[tuple[str, ...], str], ...]:
    from timm.data import ImageNetInfo

    info = ImageNetInfo(subset)
    found = []
    for label in info.label_names():
        words = info.label_name_to_description(label)
        both = info.label_name_to_description(label, detailed=True)  # "words: gloss"
        gloss = both[len(words) + 2 :].lower()
        found.append((tuple(words.split(", ")), _shortened(gloss)))
    return tuple(found)


def _shortened(gloss: str) -> str:
    """As many whole words of a gloss as fit; what follows is seldom about how a thing looks."""
    if len(gloss) <= _LONGEST_GLOSS:
        return gloss
    return gloss[:_LONGEST_GLOSS].rsplit(" ", 1)[0]
