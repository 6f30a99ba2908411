"""Short English texts to learn language on: all of them WordNet's or our own.

What pictures are asked for by: classes, textures, materials, colours, products, waste, everyday
scenes. No captions of any data set are among them. The same seed gives the same texts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

from veneer.encoders.clip_tokens import START
from veneer.pretraining.imagenet import class_texts, class_words, everyday_texts, wordnet
from veneer.pretraining.words import (
    ATTRIBUTES,
    COLOURS,
    MATERIALS,
    SYNONYMS,
    with_article,
)

HELD_OUT = 2000


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _phrases(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


# What anything is asked for with; `{}` has its article, where it takes one.
_PROMPTS = (
    "a photo of {}",
    "a photo of {}",
    "a picture of {}",
    "an image of {}",
    "a close-up photo of {}",
    "a bad photo of {}",
    "a blurry photo of {}",
    "a drawing of {}",
    "a photo of {}, a product",
    "this is {}",
    "{}",
    "{}",
)
# What every attribute, material and colour is asked for with; `{}` has no article.
_SURFACE_PROMPTS = (
    "{}",
    "a {} texture",
    "{} texture",
    "a photo of a {} texture",
    "a close-up photo of a {} texture",
    "a {} pattern",
    "{} pattern",
    "a photo of a {} pattern",
    "a {} surface",
    "a photo of a {} surface",
    "a {} background",
    "a photo of {}",
    "a photo of something {}",
    "a photo of something made of {}",
    "a photo of a surface made of {}",
    "a close-up of {}",
    "a piece of {}",
    "a {} object",
    "a photo of a {} object",
    "a {} material",
    "{} fabric",
    "a {} wall",
    "a {} shirt",
    "a {} dress",
    "something {}",
)
# What every everyday noun is asked for with; `{}` has its article.
_NOUN_PROMPTS = (
    "{}",
    "a photo of {}",
    "a picture of {}",
    "a photo of {}, a product",
    "a close-up photo of {}",
    "a drawing of {}",
)
_WASTE_PROMPTS = (
    "a photo of {}",
    "a photo of {} waste",
    "{} waste",
    "{}",
    "a piece of {} waste",
    "a photo of {} rubbish",
    "{} for recycling",
    "a photo of {} to be recycled",
    "{} packaging",
    "a photo of {} litter",
    "{} in the bin",
)

# What a picture is, whatever it shows.
_PICTURES = _phrases(
    "a blurred photo,a sharp photo,a dark and underexposed photo,an overexposed photo,"
    "a black and white photo,a colour photo,a photo taken at night,a drawing,a pencil drawing,"
    "an oil painting,a watercolour,a portrait,a landscape painting,a still life,a screenshot,"
    "a screenshot of a web page,a page of text,a handwritten page,a scanned document,a logo,"
    "a map,a chart,a diagram,a collage of several pictures,a photo of a person,a group photo,"
    "a selfie,an aerial photo,a close-up,a macro photo,a cartoon,an icon,a poster,an empty picture"
)

_COLOUR_WORDS = (
    *(word for words in COLOURS.values() for word in words),
    "dark blue",
    "light blue",
    "dark green",
    "pale green",
    "bright red",
    "dark red",
    "light grey",
    "dark grey",
    "dark brown",
    "light brown",
    "pale pink",
    "silver",
    "multicoloured",
)
_QUALITIES = _words(
    "small large big little old new wet dry dirty clean broken shiny fluffy cute happy rough "
    "smooth round empty long short thin thick soft hard bright dark heavy open closed modern "
    "antique blurred sharp flat"
)
_NOUNS = _words(
    "cat dog puppy kitten cup mug coffee tea astronaut rocket spaceship moon planet star wall "
    "stone ocean beach mountain hill forest tree leaf flower rose tulip sunflower cloud sunset "
    "sky street city village building house door window roof car truck bus train bicycle "
    "motorcycle airplane helicopter boat ship person man woman child baby girl boy crowd face "
    "hand eye foot horse cow sheep goat pig chicken duck bird fish frog snake spider butterfly "
    "bee ant elephant lion tiger bear monkey rabbit mouse pizza cake bread sandwich burger "
    "apple banana orange grape strawberry tomato potato carrot salad soup cheese egg chocolate "
    "meat table chair sofa bed desk shelf kitchen bathroom bedroom office computer laptop phone "
    "keyboard screen television book newspaper magazine letter envelope document page map chart "
    "diagram logo sign poster drawing painting portrait landscape cartoon sketch sculpture "
    "statue coin clock camera toy doll ball balloon guitar piano drum violin trumpet concert "
    "wedding birthday party rain snow ice night lamp candle light fire smoke bridge road path "
    "river lake waterfall desert island field farm garden park playground stadium shop market "
    "restaurant hospital school classroom church castle tower station airport factory bottle "
    "jar can box basket bucket bowl plate spoon fork knife pan pot kettle scissors hammer "
    "needle thread rope chain key lock pencil pen brush soap towel pillow blanket curtain "
    "carpet mirror ladder tent umbrella fence gate bench fountain wheel engine machine robot "
    "screenshot collage silhouette shadow reflection sunrise horizon snowflake feather bone shell "
    "fingerprint barcode headline graph photograph selfie"
)
_GARMENTS = _phrases(
    "shirt,T-shirt,polo shirt,blouse,top,tank top,tunic,kurta,sweater,jumper,sweatshirt,hoodie,"
    "cardigan,jacket,coat,blazer,waistcoat,suit,dress,gown,skirt,saree,trousers,jeans,shorts,"
    "leggings,track pants,pyjamas,nightdress,swimsuit,bra,briefs,boxers,socks,stockings,tie,"
    "scarf,shawl,stole,dupatta,gloves,hat,cap,belt,shoes,casual shoes,formal shoes,sports shoes,"
    "running shoes,sneakers,boots,sandals,flip flops,heels,high heels,flats,slippers"
)
_ACCESSORIES = _phrases(
    "watch,wrist watch,bag,handbag,backpack,wallet,purse,clutch,suitcase,laptop bag,sunglasses,"
    "glasses,necklace,ring,bracelet,bangle,earrings,pendant,brooch,lipstick,nail polish,perfume,"
    "deodorant,face cream,shampoo,sunscreen,umbrella,phone case,water bottle,cushion cover,"
    "bath towel,bed sheet,headphones,toy,mug,lamp,chair,sofa,table,topwear,bottomwear,footwear,"
    "innerwear,headwear,eyewear,nightwear,jewellery,fragrance,make-up,accessories,clothes"
)
_WEARERS = _phrases(
    "men's,women's,boys',girls',kids',unisex,for men,for women,for boys,for girls,for kids"
)
_DETAILS = _phrases(
    "with long sleeves,with short sleeves,with a collar,with a hood,with buttons,with a zip,"
    "with pockets,with a leather strap,with a round dial,with laces,with a print,"
    "with a floral print,with embroidery,on a white background,on a hanger,slim fit,solid,printed"
)
_CLOTHS = _phrases(
    "cotton,linen,wool,woollen,silk,velvet,denim,leather,suede,canvas,nylon,lace,fleece,satin,"
    "chiffon,knitted,steel,plastic"
)
_CONTAINERS = _phrases(
    "bottle,bag,box,carton,can,cup,tray,wrapper,container,lid,jar,tube,sheet,cap,foil,film,straw,"
    "plate,tin,packet,envelope,pot,crate,tub,net"
)
_CONDITIONS = _phrases("empty,crushed,crumpled,used,dirty,torn,folded,broken,flattened,old,clean")
_CONTENTS = _phrases("water,milk,juice,beer,wine,soda,yoghurt,shampoo,pizza,cereal,crisps,food")
_REFUSE = _phrases(
    "banana peel,apple core,egg shells,vegetable scraps,food scraps,coffee grounds,tea bag,"
    "cigarette butt,chewing gum,diaper,paper tissue,paper towel,newspaper,magazine,egg carton,"
    "pizza box,cereal box,milk carton,juice carton,soda can,beer can,food can,aerosol can,"
    "aluminium foil,bottle cap,glass jar,wine bottle,broken glass,plastic bottle,plastic bag,"
    "plastic cup,plastic cutlery,plastic wrap,polystyrene foam,battery,light bulb,old shoe,"
    "old clothes,scrap metal,electronic waste,organic waste,household waste,mixed waste,"
    "cardboard box,corrugated cardboard,wrapping paper,bubble wrap,shipping box,parcel,dustbin,"
    "rubbish bag,bin full of rubbish,recycling bin,compost heap,landfill"
)
_WHO = _phrases(
    "a man,a woman,a boy,a girl,a child,two people,a group of people,a baby,two men,two women,"
    "three children,a young man,a little girl,a little boy,an old man,a crowd,a couple,a dog,"
    "a brown dog,a black dog,a white dog,two dogs,a small dog,a cat,a horse,a bird,a cyclist,"
    "a skateboarder,a surfer,a basketball player,football players,a skier,a snowboarder,a climber,"
    "a hiker,a bride,a toddler,kids,an athlete,a person,someone"
)
_WEARING = _phrases(
    "in a red shirt,in a blue shirt,wearing a hat,in a white dress,in a black jacket,"
    "wearing sunglasses,in a swimsuit,with long hair,in a green coat,wearing a helmet,in uniform,"
    "in a pink dress,in jeans,wearing a backpack,with a stick in its mouth,"
    "with a ball in its mouth,wearing a red collar,in a yellow shirt,in an orange vest,"
    "with a beard,in a suit,in a striped shirt,wearing glasses"
)
_DOING = _phrases(
    "running,sitting,standing,jumping,playing,walking,smiling,sleeping,swimming,riding a bicycle,"
    "riding a horse,climbing a rock,playing soccer,playing basketball,playing tennis,"
    "playing guitar,catching a frisbee,chasing a ball,jumping over a hurdle,eating,cooking,"
    "reading a book,talking on the phone,taking a picture,dancing,singing,surfing a wave,skiing,"
    "snowboarding,doing a trick on a skateboard,holding a baby,holding a camera,"
    "looking at the camera,throwing a ball,digging,fishing,paddling a kayak,driving a car,"
    "riding a motorcycle,lying down,blowing bubbles,sliding down a slide,swinging,posing,"
    "shaking off water,fighting,hugging,waiting,pushing a stroller,crossing the street,working,"
    "painting a wall,shopping"
)
_PLACES = _phrases(
    "on the grass,on the beach,in the water,in the snow,in a park,on a street,in a city,"
    "in a field,in the woods,on a mountain,in a swimming pool,in a kitchen,in a living room,"
    "at a table,on a bench,on a couch,on the sand,near the ocean,in front of a building,"
    "on a sidewalk,in a stadium,in a restaurant,at night,on a dirt road,in a river,by a lake,"
    "over a fence,on a rock,in a crowd,in front of a brick wall,on a stage,indoors,outdoors,"
    "in a car,on a boat,at the playground,on a track,through tall grass,under a tree,at sunset,"
    "in a shop,in an office"
)
_BESIDE = ("on", "next to", "in front of", "behind", "with", "and", "near", "in", "under")
_GRADES = ("fine", "medium", "coarse")


def build_corpus(
    seed: int,
    *,
    glosses: int = 8000,
    textures: int = 26000,
    everyday: int = 16000,
    phrases: int = 20000,
    products: int = 16000,
    waste: int = 4000,
) -> list[str]:
    """All texts to learn on, each once, in an order that says nothing.

    Beside what is drawn: all classes, all words of WordNet's that ImageNet-22k has, and each
    attribute, material, colour and everyday noun in all its prompts.

    Parameters
    ----------
    seed : int
    glosses, textures, everyday, phrases, products, waste : int
        How many are drawn of WordNet's glosses, captions of textures, scenes, phrases about
        things, products and waste; those drawn twice count once.

    Returns
    -------
    list of str
        In small letters, which is all that teacher and tokens see.
    """
    rng = Random(seed)
    found = list(_everything(rng, glosses, textures, everyday, phrases, products, waste))
    found = list(dict.fromkeys(" ".join(text.lower().split()) for text in found))
    rng.shuffle(found)
    return found


def held_out(texts: Sequence[str], seed: int) -> tuple[list[str], list[str]]:
    """Texts to learn on and, drawn from the same, 2000 to measure on: (learnt, measured)."""
    chosen = set(Random(seed).sample(range(len(texts)), HELD_OUT))
    learnt = [text for place, text in enumerate(texts) if place not in chosen]
    return learnt, [texts[place] for place in sorted(chosen)]


def token_texts() -> list[str]:
    """What each of CLIP's first 49 406 tokens reads: words and parts of words.

    The two that follow are no text; of bytes that are none by themselves, a full stop is left.
    """
    from open_clip.tokenizer import SimpleTokenizer

    tokenizer = SimpleTokenizer()
    read = (tokenizer.decode([token]).strip() for token in range(START))
    return [text if text and "\ufffd" not in text else "." for text in read]


def texture_caption(
    rng: Random,
    attribute: str | None = None,
    material: str | None = None,
    colours: Sequence[str] = (),
) -> str:
    """A caption for a picture of a texture.

    Parameters
    ----------
    rng : Random
    attribute, material : str, optional
        Keys of ``ATTRIBUTES`` and of ``MATERIALS``; named by one of their synonyms.
    colours : sequence of str
        Up to three words, which stand as they are.

    >>> texture_caption(Random(2), "striped", "fabric", ["red", "white"])
    'red and white striped fabric texture'
    """
    noun = rng.choice(("texture", "texture", "texture", "pattern", "surface", "background"))
    named = rng.choice(MATERIALS[material][:4]) if material else ""
    word = _synonym(rng, attribute) if attribute else ""
    behind = ""
    if _goes_behind(word):
        behind, word = word if word.startswith("with ") else f"with {word}", ""
    if named and rng.random() < 0.6:
        noun = ""  # the material is the noun
    words = (_listed(colours), word, named, noun, behind)
    caption = " ".join(each for each in words if each)
    if rng.random() < 0.6:
        caption = with_article(caption)
    caption = rng.choice(("a photo of {}", "a close-up photo of {}", "{}", "{}", "{}")).format(
        caption
    )
    return f"{caption}, {rng.choice(_GRADES)}" if rng.random() < 0.1 else caption


def _everything(
    rng: Random,
    glosses: int,
    textures: int,
    everyday: int,
    phrases: int,
    products: int,
    waste: int,
) -> Iterator[str]:
    for texts in (*class_texts(), *everyday_texts()):
        yield from texts
    for words, _ in wordnet():
        yield words[0].lower()
        yield _prompt(rng, rng.choice(words).lower())
    yield from rng.sample([gloss for _, gloss in wordnet()], glosses)
    for words in SYNONYMS.values():
        for word in words:
            yield from (prompt.format(word) for prompt in _SURFACE_PROMPTS)
    for noun in (*_NOUNS, *_GARMENTS, *_ACCESSORIES, *_REFUSE):
        yield noun
        yield from (prompt.format(with_article(noun)) for prompt in _NOUN_PROMPTS)
    yield from _PICTURES
    for kind in (*MATERIALS, *_REFUSE, *_CONTAINERS):
        yield from (prompt.format(kind) for prompt in _WASTE_PROMPTS)
    yield from (_texture(rng) for _ in range(textures))
    yield from (_scene(rng) for _ in range(everyday))
    nouns = [word.lower() for words, _ in class_words() for word in words] + [*_NOUNS] * 8
    yield from (_phrase(rng, nouns) for _ in range(phrases))
    yield from (_product(rng) for _ in range(products))
    yield from (_waste(rng) for _ in range(waste))


def _prompt(rng: Random, noun: str) -> str:
    if rng.random() < 0.1:  # the usual prompts for textures are used with any word
        return rng.choice(("a photo of a {} texture", "a {} texture")).format(noun)
    return rng.choice(_PROMPTS).format(with_article(noun))


def _texture(rng: Random) -> str:
    attribute = rng.choice(list(ATTRIBUTES)) if rng.random() < 0.85 else None
    material = rng.choice(list(MATERIALS)) if not attribute or rng.random() < 0.3 else None
    colours = rng.sample(_COLOUR_WORDS, rng.choice((0, 0, 1, 1, 2, 2, 3)))
    return texture_caption(rng, attribute, material, colours)


def _scene(rng: Random) -> str:
    """What people do somewhere."""
    doing = f"{rng.choice(('is ', '', ''))}{rng.choice(_DOING)}" if rng.random() < 0.8 else ""
    return _joined(
        rng.choice(_WHO),
        _maybe(rng, 0.35, _WEARING),
        doing,
        _maybe(rng, 0.75, _PLACES),
        f"with {rng.choice(_WHO)}" if rng.random() < 0.12 else "",
    )


def _phrase(rng: Random, nouns: Sequence[str]) -> str:
    """A thing, perhaps with a quality, perhaps beside another."""
    text = with_article(_joined(_maybe(rng, 0.55, _adjectives()), rng.choice(nouns)))
    if rng.random() < 0.35:
        other = with_article(_joined(_maybe(rng, 0.3, _adjectives()), rng.choice(_NOUNS)))
        text = f"{text} {rng.choice(_BESIDE)} {other}"
    return rng.choice(_PROMPTS).format(text)


def _product(rng: Random) -> str:
    """A thing to wear or to buy, as shops name it."""
    wearer = rng.choice(_WEARERS) if rng.random() < 0.4 else ""
    before, behind = ("", wearer) if wearer.startswith("for ") else (wearer, "")
    name = _joined(
        before,
        _maybe(rng, 0.65, _COLOUR_WORDS),
        _synonym(rng, rng.choice(list(ATTRIBUTES)), before_noun=True)
        if rng.random() < 0.25
        else "",
        rng.choice(_CLOTHS) if rng.random() < 0.3 else "",
        rng.choice(_GARMENTS if rng.random() < 0.65 else _ACCESSORIES),
        behind,
        _maybe(rng, 0.2, _DETAILS),
    )
    bare = rng.random() < 0.5
    return name if bare else rng.choice(_PROMPTS).format(with_article(name))


def _waste(rng: Random) -> str:
    """A thing that is thrown away, and what it was for."""
    if rng.random() < 0.3:
        name = _joined(_maybe(rng, 0.6, _CONDITIONS), rng.choice(_REFUSE))
    else:
        name = _joined(
            _maybe(rng, 0.5, _CONDITIONS),
            _maybe(rng, 0.2, list(COLOURS)),
            _maybe(rng, 0.7, ("plastic", "glass", "paper", "cardboard", "metal", "aluminium")),
            _maybe(rng, 0.35, _CONTENTS),
            rng.choice(_CONTAINERS),
        )
    text = rng.choice(_PROMPTS).format(with_article(name))
    places = ("on the ground", "in a bin", "on a white background", "on the beach", "in the grass")
    return _joined(text, _maybe(rng, 0.15, places))


def _adjectives() -> Sequence[str]:
    return (*_QUALITIES, *_COLOUR_WORDS, *MATERIALS)


def _synonym(rng: Random, axis: str, *, before_noun: bool = False) -> str:
    """A word for an axis, mostly one of the usual ones."""
    words = SYNONYMS[axis]
    if before_noun:
        words = tuple(word for word in words if not _goes_behind(word))
    return rng.choice(words[:3] if rng.random() < 0.75 else words)


def _goes_behind(word: str) -> bool:
    """Whether a caption has it behind the noun: "a texture with stripes"."""
    is_plural = word.endswith("s") and word not in ATTRIBUTES
    return word.startswith("with ") or " of " in word or is_plural


def _listed(words: Sequence[str]) -> str:
    """Words as a list: "red, white and blue"."""
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def _maybe(rng: Random, probability: float, words: Sequence[str]) -> str:
    return rng.choice(words) if rng.random() < probability else ""


def _joined(*words: str) -> str:
    return " ".join(word for word in words if word)
