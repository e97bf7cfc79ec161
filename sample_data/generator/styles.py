"""What a place looks like: soils, plants, roofs, densities and light. Colours are sRGB 0..255."""

from __future__ import annotations

from dataclasses import dataclass, field

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Roof:
    """A roof covering: ``texture`` is tile, sheet, thatch, flat or shell; ``pitch`` is the range of
    rise over run.
    """

    texture: str
    colours: tuple[Colour, ...]
    pitch: tuple[float, float]
    wear: float = 0.5


ROOFS = {
    "terracotta": Roof(
        "tile",
        ((196, 120, 88), (184, 108, 76), (205, 140, 108), (172, 100, 78), (188, 134, 106)),
        (0.45, 0.85),
    ),
    "brown_tile": Roof(
        "tile", ((128, 96, 82), (142, 110, 94), (112, 84, 74), (150, 124, 106)), (0.45, 0.9)
    ),
    "slate": Roof(
        "tile", ((88, 90, 96), (104, 104, 108), (72, 76, 84), (120, 118, 116)), (0.5, 1.0), 0.3
    ),
    "tin": Roof(
        "sheet", ((176, 184, 190), (196, 202, 206), (158, 166, 172), (184, 190, 188)), (0.15, 0.4)
    ),
    "rusty_tin": Roof(
        "sheet", ((150, 118, 96), (132, 102, 84), (160, 140, 124), (120, 88, 72)), (0.12, 0.4), 1.0
    ),
    "blue_metal": Roof(
        "sheet", ((48, 116, 184), (70, 140, 200), (40, 92, 150), (90, 150, 196)), (0.1, 0.35), 0.3
    ),
    "green_metal": Roof(
        "sheet", ((74, 128, 104), (58, 106, 84), (104, 142, 118)), (0.12, 0.4), 0.3
    ),
    "red_metal": Roof(
        "sheet", ((176, 72, 62), (194, 96, 84), (150, 58, 52), (206, 116, 104)), (0.12, 0.45), 0.4
    ),
    "fibre_cement": Roof(
        "sheet", ((158, 156, 148), (140, 140, 134), (172, 168, 158)), (0.15, 0.4), 0.7
    ),
    "concrete": Roof(
        "flat",
        ((174, 168, 158), (156, 152, 144), (190, 184, 174), (146, 140, 130), (182, 170, 152)),
        (0.0, 0.0),
        0.8,
    ),
    "gravel": Roof("flat", ((164, 160, 152), (148, 146, 142), (178, 174, 166)), (0.0, 0.0), 0.4),
    "bitumen": Roof("flat", ((92, 92, 94), (108, 108, 108), (76, 78, 82)), (0.0, 0.0), 0.6),
    "white": Roof("flat", ((226, 226, 222), (214, 214, 212), (234, 232, 224)), (0.0, 0.0), 0.4),
    "mud": Roof(
        "flat",
        ((194, 170, 136), (182, 156, 124), (206, 184, 150), (172, 150, 122)),
        (0.0, 0.0),
        0.9,
    ),
    "thatch": Roof(
        "thatch", ((138, 120, 96), (118, 102, 84), (152, 134, 104), (104, 92, 80)), (0.6, 1.0), 0.9
    ),
    "shell": Roof("shell", ((170, 164, 154), (184, 176, 162), (152, 148, 142)), (0.0, 0.0), 0.6),
}


@dataclass(frozen=True)
class Quarter:
    """A neighbourhood's character; lengths in metres, ranges as (low, high).

    ``fill`` is rows (adjoining houses along the street), plots (detached houses), glade (those in a
    wood), halls, scatter (houses anywhere), wood, or fields. ``rings`` is how many rows of houses
    lie one behind the other in a block.
    """

    fill: str
    block: float
    frontage: tuple[float, float] = (16, 26)
    depth: tuple[float, float] = (9, 13)
    setback: tuple[float, float] = (3, 8)
    floors: tuple[int, int] = (1, 2)
    rings: int = 1
    gap: float = 0.1
    road: float = 5.5
    paved: bool = True
    density: float = 1.0
    trees: float = 1.0
    sheds: float = 0.5
    twist: float = 0.0


QUARTERS = {
    "town": Quarter(
        "rows", 7500, (8, 17), (10, 14), (0, 0.4), (2, 5), 1, 0.06, 7.0, True, 1.0, 0.7, 0.5
    ),
    "core": Quarter(
        "rows",
        3600,
        (4.6, 10.5),
        (7, 11),
        (0, 0.8),
        (1, 5),
        5,
        0.11,
        3.8,
        True,
        1.0,
        0.3,
        0.5,
        0.03,
    ),
    "suburb": Quarter(
        "plots", 10500, (15, 25), (8, 12), (3, 8), (1, 2), 1, 0.06, 5.5, True, 1.0, 1.0, 0.55
    ),
    "terraces": Quarter(
        "rows", 8000, (5.5, 8), (8, 10), (2, 4), (2, 3), 1, 0.12, 6.0, True, 1.0, 0.8, 0.6
    ),
    "industry": Quarter(
        "halls", 30000, (28, 80), (18, 42), (6, 12), (2, 3), 1, 0.1, 8.0, True, 1.0, 0.3, 0.4
    ),
    "estate": Quarter(
        "halls", 20000, (24, 60), (11, 15), (8, 14), (3, 7), 1, 0.1, 6.5, True, 0.8, 1.2, 0.3
    ),
    "village": Quarter(
        "plots", 18000, (20, 38), (8, 12), (2, 12), (1, 2), 1, 0.2, 4.5, True, 1.0, 1.2, 1.2, 0.12
    ),
    "hamlet": Quarter(
        "scatter", 17000, (6, 14), (5, 9), (2, 6), (1, 1), 1, 0.1, 3.6, False, 1.0, 1.2, 0.6, 0.3
    ),
    "kraal": Quarter(
        "scatter", 9000, (5, 12), (4, 8), (1, 4), (1, 1), 1, 0.1, 3.4, False, 2.2, 0.5, 0.6, 0.5
    ),
    "glade": Quarter(
        "glade", 26000, (26, 46), (8, 13), (6, 20), (1, 2), 1, 0.2, 5.0, True, 1.0, 1.0, 0.5, 0.1
    ),
    "country": Quarter(
        "fields", 70000, (14, 26), (8, 14), (4, 10), (1, 2), 1, 0.1, 4.0, False, 0.4, 0.8, 1.5
    ),
    "wood": Quarter(
        "wood", 40000, (6, 12), (5, 9), (4, 10), (1, 1), 1, 0.1, 3.5, False, 0.1, 4.0, 0.6
    ),
}


@dataclass(frozen=True)
class Style:
    """A kind of place: shares of quarters, roofs by kind of building, palettes, sun elevation in
    degrees.
    """

    quarters: dict[str, float]
    roofs: dict[str, float]
    sheds: dict[str, float]
    halls: dict[str, float]
    grass: tuple[Colour, ...]
    dry: tuple[Colour, ...]
    soil: tuple[Colour, ...]
    asphalt: tuple[Colour, ...] = ((138, 136, 134), (118, 118, 120), (156, 152, 148))
    track: tuple[Colour, ...] = ((190, 168, 136),)
    leaf: tuple[Colour, ...] = ((58, 82, 44), (70, 96, 48), (48, 70, 42), (86, 104, 56))
    species: dict[str, float] = field(
        default_factory=lambda: {"round": 0.8, "cone": 0.1, "bush": 0.1}
    )
    dryness: float = 0.35
    sun: tuple[float, float] = (38, 58)
    lawn: float = 0.75
    paving: float = 0.9
    flat: float = 0.12


_RED = ((168, 118, 84), (150, 100, 72), (184, 136, 100))
_SAND = ((206, 186, 150), (192, 170, 134), (216, 198, 166))
_LOAM = ((146, 124, 98), (128, 108, 88), (164, 144, 116), (112, 94, 78))
_GREY = ((158, 152, 140), (142, 136, 124), (174, 166, 150))

_EUROPE_SHEDS: dict[str, float] = {
    "tin": 2,
    "brown_tile": 2,
    "bitumen": 2,
    "fibre_cement": 2,
    "red_metal": 1,
    "terracotta": 2,
    "rusty_tin": 1,
}
_EUROPE_HALLS: dict[str, float] = {
    "gravel": 3,
    "white": 2,
    "tin": 3,
    "red_metal": 1.5,
    "fibre_cement": 2,
    "bitumen": 2,
    "blue_metal": 1,
    "slate": 1,
}

STYLES = {
    "mixed": Style(
        {"town": 1.2, "suburb": 1.5, "industry": 0.9, "village": 1.2, "country": 0.9, "core": 0.5},
        {
            "terracotta": 5,
            "brown_tile": 3,
            "slate": 2.5,
            "concrete": 1,
            "gravel": 1,
            "tin": 1,
            "red_metal": 0.7,
            "bitumen": 0.6,
        },
        _EUROPE_SHEDS | {"blue_metal": 0.6},
        _EUROPE_HALLS,
        ((98, 116, 66), (84, 108, 62), (112, 124, 74)),
        ((158, 150, 104), (142, 136, 92)),
        _LOAM,
    ),
    "suburb": Style(
        {"suburb": 3, "terraces": 1, "estate": 0.7, "village": 0.5, "wood": 0.3, "industry": 0.3},
        {
            "slate": 3,
            "terracotta": 3,
            "brown_tile": 3,
            "gravel": 1,
            "tin": 0.6,
            "bitumen": 1,
            "white": 0.4,
        },
        _EUROPE_SHEDS,
        _EUROPE_HALLS,
        ((84, 112, 66), (76, 102, 64), (100, 120, 72)),
        ((140, 138, 96), (128, 126, 88)),
        _GREY + _LOAM,
        dryness=0.25,
    ),
    "dense": Style(
        {"core": 3, "town": 0.8, "industry": 0.35, "wood": 0.1, "country": 0.15},
        {
            "concrete": 5,
            "tin": 1.6,
            "rusty_tin": 1.2,
            "blue_metal": 1.3,
            "red_metal": 0.6,
            "fibre_cement": 1,
            "gravel": 1,
            "white": 0.4,
            "terracotta": 0.5,
            "shell": 0.15,
        },
        {"tin": 3, "rusty_tin": 3, "blue_metal": 1.2, "concrete": 1, "fibre_cement": 1.5},
        {
            "blue_metal": 2,
            "tin": 3,
            "concrete": 2,
            "red_metal": 1,
            "rusty_tin": 1,
            "green_metal": 0.6,
            "white": 0.5,
        },
        ((92, 112, 60), (106, 120, 72)),
        ((150, 138, 102), (134, 122, 90)),
        ((150, 132, 112), (134, 116, 98), (158, 120, 94), (166, 150, 130)),
        paving=0.75,
        lawn=0.35,
        flat=0.3,
        dryness=0.45,
        sun=(45, 68),
    ),
    "arid": Style(
        {"core": 1.4, "kraal": 0.6, "suburb": 1.2, "industry": 0.6, "country": 0.6, "estate": 0.4},
        {"concrete": 4, "mud": 4, "white": 3, "gravel": 1.5, "terracotta": 0.9, "tin": 0.6},
        {"mud": 3, "concrete": 2, "tin": 2, "rusty_tin": 1},
        {"white": 3, "tin": 2, "concrete": 2, "gravel": 1, "blue_metal": 0.5},
        ((116, 120, 76), (96, 110, 66)),
        ((196, 178, 138), (184, 164, 124)),
        _SAND + ((196, 162, 122),),
        track=((206, 188, 156),),
        leaf=((78, 88, 56), (92, 100, 66), (64, 80, 50)),
        species={"round": 0.4, "palm": 0.25, "bush": 0.35},
        dryness=0.85,
        sun=(48, 68),
        lawn=0.12,
        paving=0.6,
        flat=0.8,
    ),
    "tropical": Style(
        {
            "hamlet": 2.5,
            "kraal": 1.2,
            "country": 0.5,
            "wood": 0.4,
            "core": 0.45,
            "village": 0.4,
            "industry": 0.25,
        },
        {
            "tin": 6,
            "rusty_tin": 2.2,
            "red_metal": 0.6,
            "blue_metal": 0.6,
            "green_metal": 0.5,
            "thatch": 1,
            "concrete": 0.8,
            "white": 0.3,
            "shell": 0.7,
            "fibre_cement": 0.6,
            "terracotta": 0.3,
        },
        {"tin": 3, "rusty_tin": 3, "thatch": 1.5, "shell": 0.3},
        {
            "tin": 4,
            "white": 0.7,
            "blue_metal": 1,
            "rusty_tin": 1,
            "red_metal": 0.6,
            "green_metal": 0.6,
        },
        ((104, 118, 62), (92, 112, 58), (120, 126, 74)),
        ((164, 150, 106), (176, 154, 116)),
        _RED + _SAND[:2] + ((186, 150, 112),),
        track=((204, 172, 132), (190, 142, 104)),
        leaf=((54, 78, 38), (64, 92, 42), (44, 66, 36), (80, 102, 48)),
        species={"round": 0.6, "palm": 0.3, "bush": 0.1},
        dryness=0.45,
        sun=(55, 74),
        lawn=0.45,
        paving=0.35,
        flat=0.1,
    ),
    "village": Style(
        {
            "village": 2.4,
            "hamlet": 0.6,
            "country": 1.5,
            "wood": 0.4,
            "terraces": 0.3,
            "industry": 0.3,
        },
        {
            "terracotta": 5,
            "brown_tile": 2.5,
            "slate": 1,
            "rusty_tin": 1,
            "tin": 1.2,
            "fibre_cement": 1,
            "red_metal": 1,
            "green_metal": 0.5,
            "thatch": 0.2,
        },
        _EUROPE_SHEDS | {"rusty_tin": 3},
        {
            "red_metal": 2,
            "fibre_cement": 3,
            "tin": 2,
            "rusty_tin": 1,
            "green_metal": 0.7,
            "terracotta": 1,
        },
        ((104, 118, 68), (90, 110, 64), (118, 126, 78)),
        ((164, 154, 108), (150, 142, 98)),
        _LOAM + _RED[:1],
        dryness=0.4,
    ),
    "wooded": Style(
        {"glade": 3, "wood": 1, "suburb": 0.4, "country": 0.2},
        {
            "slate": 4,
            "bitumen": 2,
            "brown_tile": 3,
            "gravel": 0.5,
            "green_metal": 0.3,
            "white": 0.2,
        },
        _EUROPE_SHEDS,
        _EUROPE_HALLS,
        ((92, 108, 66), (104, 114, 74), (84, 100, 64)),
        ((150, 142, 104), (136, 128, 96)),
        _LOAM + _RED[:1],
        leaf=((58, 78, 46), (72, 90, 54), (96, 96, 66), (112, 100, 78), (50, 68, 44)),
        species={"round": 0.75, "cone": 0.2, "bush": 0.05},
        dryness=0.4,
        sun=(26, 46),
    ),
}
