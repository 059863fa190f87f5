import torch

from ostinato.tasks.shape_captions import COLOURS, LENGTH, WORDS, draw_scenes, sentence


def test_sentences_say_what_the_images_show():
    images, captions = draw_scenes(torch.Generator().manual_seed(0), 200)
    assert images.shape == (200, 3, 16, 16)
    assert captions.shape == (200, LENGTH)
    for image, words in zip(images, captions, strict=True):
        said = [WORDS[int(k)] for k in words]
        assert said[-1] == "<end>"
        drawn = image > 0.5
        colours = [COLOURS.index(said[0]), COLOURS.index(said[3])]
        assert set(drawn.any((1, 2)).nonzero().flatten().tolist()) == set(colours)
        if colours[0] != colours[1]:
            axis = 0 if said[2] == "above" else 1
            first, second = (drawn[k].any(1 - axis).nonzero().flatten() for k in colours)
            assert int(first.max()) < int(second.min())
            for k, shape in zip(colours, (said[1], said[4]), strict=True):
                assert int(drawn[k].sum()) == {"circle": 13, "square": 25, "cross": 9}[shape]


def test_a_sentence_ends_where_it_says():
    _, captions = draw_scenes(torch.Generator().manual_seed(0), 1)
    assert len(sentence(captions[0]).split(" ")) in (5, 6)
    assert sentence([2, 5, 1, 3]) == "red circle"
